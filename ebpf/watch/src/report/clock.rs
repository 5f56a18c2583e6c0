//! Time since boot as a date: RFC 3339 in UTC, with nanoseconds.
//!
//! Own code rather than a date crate: forty lines, no time zones, no parsing. The days are counted as in Howard Hinnant's
//! "chrono-compatible low-level date algorithms" (`civil_from_days`).

use rustix::time::{ClockId, Timespec, clock_gettime};

const NANOSECONDS: i128 = 1_000_000_000;
const DAY: i128 = 86_400;

/// What must be added to nanoseconds since boot to have nanoseconds since 1970. Measured once: a clock that is set while
/// the watcher runs then moves no event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    offset: i128,
}

impl Clock {
    /// Compares the two clocks now, to better than the time of two system calls.
    #[must_use]
    pub fn measure() -> Self {
        let sample = || {
            let before = nanoseconds(clock_gettime(ClockId::Boottime));
            let real = nanoseconds(clock_gettime(ClockId::Realtime));
            let after = nanoseconds(clock_gettime(ClockId::Boottime));
            (after - before, real - (before + after) / 2)
        };
        let best = (0..5).map(|_| sample()).min().unwrap_or_default();
        Self { offset: best.1 }
    }

    /// A clock whose machine was booted `nanoseconds` after 1970 began.
    #[must_use]
    pub fn booted_at(nanoseconds: i128) -> Self {
        Self { offset: nanoseconds }
    }

    /// Nanoseconds since boot, now.
    #[must_use]
    pub fn now() -> u64 {
        u64::try_from(nanoseconds(clock_gettime(ClockId::Boottime))).unwrap_or(0)
    }

    /// The date of an act: `2026-11-20T08:47:09.000000001Z`.
    #[must_use]
    pub fn rfc3339(&self, since_boot: u64) -> String {
        rfc3339(self.offset + i128::from(since_boot))
    }
}

fn nanoseconds(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * NANOSECONDS + i128::from(time.tv_nsec)
}

/// Nanoseconds since 1970 as a date in UTC. Good for the years 0 to 9999.
#[must_use]
pub fn rfc3339(unix: i128) -> String {
    let (seconds, fraction) = (unix.div_euclid(NANOSECONDS), unix.rem_euclid(NANOSECONDS));
    let (day, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{of_month:02}T{:02}:{:02}:{:02}.{fraction:09}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        for (seconds, nanos, want) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (0, -1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_399, 999_999_999, "2000-02-28T23:59:59.999999999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800, 1, "2000-03-01T00:00:00.000000001Z"),
            (1_000_000_000, 0, "2001-09-09T01:46:40.000000000Z"),
            (1_709_164_800, 0, "2024-02-29T00:00:00.000000000Z"),
            (2_147_483_648, 5, "2038-01-19T03:14:08.000000005Z"),
            (4_102_444_800, 0, "2100-01-01T00:00:00.000000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000000000Z"),
        ] {
            assert_eq!(rfc3339(seconds * NANOSECONDS + nanos), want);
        }
    }

    #[test]
    fn days_follow_each_other_for_four_hundred_years() {
        let month_days = |year: i32, month| match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut day = 0;
        for year in 1970..2370 {
            for month in 1..=12 {
                for date in 1..=month_days(year, month) {
                    let want = format!("{year:04}-{month:02}-{date:02}T00:00:00.000000000Z");
                    assert_eq!(rfc3339(day * DAY * NANOSECONDS), want);
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn the_clock_agrees_with_the_system() {
        let system = || {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("after 1970")
                .as_nanos()
        };
        let before = system() as i128;
        let ours = Clock::measure().offset + i128::from(Clock::now());
        let after = system() as i128;
        let slack = NANOSECONDS / 1_000;
        assert!(
            before - slack <= ours && ours <= after + slack,
            "{before} {ours} {after}"
        );
    }
}
