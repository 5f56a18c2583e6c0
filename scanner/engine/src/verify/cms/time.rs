//! Moments: seconds since 1970, from the two time types of ASN.1 and to RFC 3339.

use super::element::fault;
use crate::walk::der::{DerFault, Tlv};

/// A moment, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// Reads a `UTCTime` or a `GeneralizedTime` in UTC (RFC 5280, 4.1.2.5); fractions of a second are dropped.
    ///
    /// # Errors
    /// When it is neither, or no moment.
    pub(crate) fn parse(tlv: Tlv<'_>) -> Result<Self, DerFault> {
        let wrong = || fault(tlv.header.start(), "a time that is not a UTC time");
        let text = std::str::from_utf8(tlv.bytes).map_err(|_| wrong())?;
        let text = text.strip_suffix('Z').ok_or_else(wrong)?;
        let text = text.split_once('.').map_or(text, |(whole, _)| whole);
        let (year, rest) = match tlv.tag.number {
            23 => {
                let two = number(text.get(..2)).ok_or_else(wrong)?;
                let century = if two >= 50 { 1900 } else { 2000 };
                (two.saturating_add(century), text.get(2..))
            }
            24 => (number(text.get(..4)).ok_or_else(wrong)?, text.get(4..)),
            _ => return Err(wrong()),
        };
        let rest = rest.unwrap_or_default();
        if !matches!(rest.len(), 8 | 10) {
            return Err(wrong());
        }
        let part = |at: usize| number(rest.get(at..at.saturating_add(2))).ok_or_else(wrong);
        let (month, day, hour, minute) = (part(0)?, part(2)?, part(4)?, part(6)?);
        let second = if rest.len() == 10 { part(8)? } else { 0 };
        let sound = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second);
        if !sound {
            return Err(wrong());
        }
        let seconds = hour
            .saturating_mul(3600)
            .saturating_add(minute.saturating_mul(60))
            .saturating_add(second);
        Ok(Self(
            days(year, month, day).saturating_mul(86_400).saturating_add(seconds),
        ))
    }

    /// The moment as RFC 3339 writes it, in UTC.
    pub(crate) fn rfc3339(self) -> String {
        let (days, seconds) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (
            seconds.div_euclid(3600),
            seconds.rem_euclid(3600).div_euclid(60),
            seconds.rem_euclid(60),
        );
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn number(text: Option<&str>) -> Option<i64> {
    let text = text.filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?;
    text.parse().ok()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; years here have four digits, so nothing overflows.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is a year's last.
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = month.saturating_add(9).rem_euclid(12);
    let of_year = shifted
        .saturating_mul(153)
        .saturating_add(2)
        .div_euclid(5)
        .saturating_add(day)
        .saturating_sub(1);
    let of_era = of_era
        .saturating_mul(365)
        .saturating_add(of_era.div_euclid(4))
        .saturating_sub(of_era.div_euclid(100))
        .saturating_add(of_year);
    era.saturating_mul(146_097)
        .saturating_add(of_era)
        .saturating_sub(719_468)
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = of_era
        .saturating_sub(of_era.div_euclid(1460))
        .saturating_add(of_era.div_euclid(36_524))
        .saturating_sub(of_era.div_euclid(146_096))
        .div_euclid(365);
    let before = year
        .saturating_mul(365)
        .saturating_add(year.div_euclid(4))
        .saturating_sub(year.div_euclid(100));
    let of_year = of_era.saturating_sub(before);
    let shifted = of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let day = of_year
        .saturating_sub(shifted.saturating_mul(153).saturating_add(2).div_euclid(5))
        .saturating_add(1);
    let month = if shifted < 10 {
        shifted.saturating_add(3)
    } else {
        shifted.saturating_sub(9)
    };
    let year = year.saturating_add(era.saturating_mul(400));
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar_both_ways() {
        let known = [
            (1970, 1, 1, 0),
            (2000, 2, 29, 11_016),
            (1950, 1, 1, -7_305),
            (2049, 12, 31, 29_219),
            (2026, 11, 20, 20_777),
        ];
        for (year, month, day, expected) in known {
            assert_eq!(days(year, month, day), expected);
            assert_eq!(civil(expected), (year, month, day));
        }
        for day in (-8_000..40_000).step_by(7) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
        }
    }
}
