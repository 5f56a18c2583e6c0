//! How many directions a change has: a randomised range finder over one pass, in bounded memory.
//!
//! `D` is the difference of two matrices, met row by row. Along its longer side it is folded into 32 buckets with random
//! signs, twice and independently: `Y1 = D S1` and `Y2 = D S2`. `Y1` gives an orthonormal basis `Q` of at most 32
//! directions. Since the signs are independent, `E[Y2 Y2^T] = D D^T`, whatever `Q` is: the part of `Y2` inside of `Q`
//! estimates how much of the energy `||D||^2` lies in these directions, and the eigenvalues of its covariance there how
//! it is spread. A change of rank `k <= 32` is captured whole, up to rounding; noise of full rank is not.
//!
//! It costs two multiplications an element and `64 x min(rows, columns)` floats. The signs come from a generator that is
//! seeded by the tensor's name, so that a report is the same on every machine.
//!
//! Halko, Martinsson, Tropp, "Finding structure with randomness" (2011), sections 4.3 and 4.6.

/// Directions that are looked at.
pub(super) const DIRECTIONS: usize = 32;
/// The longest short side that is sketched: 16 MiB for both sketches.
const LONGEST: usize = 65_536;
/// The longest long side: its signs are kept, eight bytes for each place.
const LONGEST_ROW: usize = 1 << 20;

/// The sketch of one matrix.
pub(super) struct Sketch {
    rows: usize,
    columns: usize,
    /// Whether the columns are the longer side and folded.
    fold_columns: bool,
    signs: [Vec<f32>; 2],
    sums: [Vec<f32>; 2],
}

/// What a sketch tells of the energy of a difference, as parts of the whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spectrum {
    /// What the strongest directions hold, the strongest first: at most 32 values that sum to at most 1.
    pub(super) energies: Vec<f64>,
}

impl Spectrum {
    /// What the strongest `k` directions hold.
    pub(super) fn top(&self, k: usize) -> f64 {
        self.energies.iter().take(k).sum::<f64>().min(1.0)
    }

    /// The least number of directions that hold `part` of the energy.
    pub(super) fn rank(&self, part: f64) -> Option<usize> {
        let mut sum = 0.0;
        for (n, energy) in self.energies.iter().enumerate() {
            sum += energy;
            if sum >= part {
                return Some(n + 1);
            }
        }
        None
    }
}

impl Sketch {
    /// An empty sketch; `None` when the matrix is too thin to have a rank worth knowing, or too large.
    pub(super) fn new(rows: usize, columns: usize, name: &str) -> Option<Self> {
        let short = rows.min(columns);
        if !(4..=LONGEST).contains(&short) || columns > LONGEST_ROW {
            return None;
        }
        let fold_columns = columns >= rows;
        let mut random = Random::new(name);
        let mut signs = || -> Vec<f32> {
            let count = if fold_columns { columns } else { DIRECTIONS };
            (0..count).map(|_| random.sign()).collect()
        };
        let signs = [signs(), signs()];
        let room = short.checked_mul(DIRECTIONS)?;
        Some(Self {
            rows,
            columns,
            fold_columns,
            signs,
            sums: [vec![0.0; room], vec![0.0; room]],
        })
    }

    /// Takes row `row` of the difference.
    pub(super) fn row(&mut self, row: usize, d: &[f32]) {
        debug_assert!(row < self.rows && d.len() == self.columns);
        if self.fold_columns {
            for (signs, sums) in self.signs.iter().zip(&mut self.sums) {
                let Some(to) = sums
                    .get_mut(row * DIRECTIONS..)
                    .and_then(|s| s.first_chunk_mut::<DIRECTIONS>())
                else {
                    return;
                };
                fold(d, signs, to);
            }
            return;
        }
        // Two hashes of the row choose its signs; both sketches use the same buckets.
        let bucket = row % DIRECTIONS;
        for (n, (signs, sums)) in self.signs.iter().zip(&mut self.sums).enumerate() {
            let turn = splitmix((row as u64) ^ ((n as u64) << 63) ^ 0x5bf0_3635);
            let sign = signs.get(bucket).copied().unwrap_or(1.0) * if turn & 1 == 0 { 1.0 } else { -1.0 };
            let start = bucket * self.columns;
            let Some(to) = sums.get_mut(start..start + self.columns) else {
                return;
            };
            for (to, d) in to.iter_mut().zip(d) {
                *to += sign * d;
            }
        }
    }

    /// Ends the pass; `None` when the sketch holds nothing, or what is not finite.
    pub(super) fn finish(self) -> Option<Spectrum> {
        const R: usize = DIRECTIONS;
        let short = self.rows.min(self.columns);
        let [first, second] = &self.sums;
        let (mut gram, mut cross) = (vec![[0f64; R]; R], vec![[0f64; R]; R]);
        let mut total = 0f64;
        let (mut a, mut b) = ([0f64; R], [0f64; R]);
        for i in 0..short {
            for l in 0..R {
                let at = if self.fold_columns {
                    i * R + l
                } else {
                    l * self.columns + i
                };
                if let (Some(x), Some(y)) = (a.get_mut(l), b.get_mut(l)) {
                    *x = f64::from(*first.get(at)?);
                    *y = f64::from(*second.get(at)?);
                }
            }
            if a.iter().chain(&b).all(|x| *x == 0.0) {
                continue;
            }
            for ((x, gram), cross) in a.iter().zip(&mut gram).zip(&mut cross) {
                for ((y, g), (z, c)) in a.iter().zip(gram).zip(b.iter().zip(cross)) {
                    *g += x * y;
                    *c += x * z;
                }
            }
            total += b.iter().map(|y| y * y).sum::<f64>();
        }
        if !total.is_finite() || total <= 0.0 {
            return None;
        }
        let (values, vectors) = eigen(gram);
        let most = values.iter().copied().fold(0.0, f64::max);
        if !most.is_finite() || most <= 0.0 {
            return None;
        }
        // Rows of `inner`: Q^T Y2, for the directions that are more than the rounding of 32-bit sums.
        let mut inner: Vec<[f64; R]> = Vec::new();
        for (k, value) in values.iter().enumerate().filter(|(_, v)| **v > most * 1e-11) {
            let mut line = [0f64; R];
            for (row, cross) in vectors.iter().zip(&cross) {
                let v = *row.get(k)?;
                for (to, c) in line.iter_mut().zip(cross) {
                    *to += v * c;
                }
            }
            let norm = value.sqrt();
            inner.push(line.map(|x| x / norm));
        }
        let mut covariance = vec![[0f64; R]; R];
        for (x, to) in inner.iter().zip(&mut covariance) {
            for (y, to) in inner.iter().zip(to) {
                *to = x.iter().zip(y).map(|(p, q)| p * q).sum();
            }
        }
        let (mut energies, _) = eigen(covariance);
        energies.sort_by(|x, y| y.total_cmp(x));
        energies.truncate(inner.len());
        for energy in &mut energies {
            *energy = (*energy / total).clamp(0.0, 1.0);
        }
        Some(Spectrum { energies })
    }
}

/// Adds each element to the bucket of its column, in lanes.
fn fold(d: &[f32], signs: &[f32], to: &mut [f32; DIRECTIONS]) {
    let (whole, rest) = d.as_chunks::<DIRECTIONS>();
    let (sign_whole, sign_rest) = signs.as_chunks::<DIRECTIONS>();
    let mut lanes = [0f32; DIRECTIONS];
    for (d, s) in whole.iter().zip(sign_whole) {
        for ((lane, d), s) in lanes.iter_mut().zip(d).zip(s) {
            *lane += d * s;
        }
    }
    for ((lane, d), s) in lanes.iter_mut().zip(rest).zip(sign_rest) {
        *lane += d * s;
    }
    for (to, lane) in to.iter_mut().zip(lanes) {
        *to += lane;
    }
}

type Square = Vec<[f64; DIRECTIONS]>;

/// Eigenvalues and eigenvectors (in columns) of a symmetric matrix, by cyclic Jacobi rotations.
fn eigen(mut m: Square) -> (Vec<f64>, Square) {
    const R: usize = DIRECTIONS;
    let mut vectors: Square = (0..R)
        .map(|i| {
            let mut row = [0f64; R];
            if let Some(x) = row.get_mut(i) {
                *x = 1.0;
            }
            row
        })
        .collect();
    let at = |m: &Square, i: usize, j: usize| m.get(i).and_then(|r| r.get(j)).copied().unwrap_or(0.0);
    let size: f64 = m.iter().flatten().map(|x| x * x).sum();
    for _ in 0..30 {
        let off: f64 = (0..R)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| at(&m, i, j).powi(2))
            .sum();
        if off.is_nan() || off <= size * 1e-26 {
            break;
        }
        for p in 0..R {
            for q in p + 1..R {
                let apq = at(&m, p, q);
                if apq.abs() <= f64::MIN_POSITIVE {
                    continue;
                }
                let theta = (at(&m, q, q) - at(&m, p, p)) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                rotate(&mut m, p, q, c, t * c);
                for row in &mut vectors {
                    turn(row, p, q, c, t * c);
                }
            }
        }
    }
    ((0..R).map(|i| at(&m, i, i)).collect(), vectors)
}

fn turn(row: &mut [f64; DIRECTIONS], p: usize, q: usize, c: f64, s: f64) {
    if let Ok([x, y]) = row.get_disjoint_mut([p, q]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

fn rotate(m: &mut Square, p: usize, q: usize, c: f64, s: f64) {
    for row in m.iter_mut() {
        turn(row, p, q, c, s);
    }
    if let Ok([x, y]) = m.get_disjoint_mut([p, q]) {
        for (x, y) in x.iter_mut().zip(y) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
}

/// SplitMix64, seeded by a name.
struct Random(u64);

impl Random {
    fn new(name: &str) -> Self {
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(seed)
    }

    fn sign(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if splitmix(self.0) >> 63 == 0 { 1.0 } else { -1.0 }
    }
}

fn splitmix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(random: &mut Random) -> f32 {
        (0..12)
            .map(|_| {
                random.0 = random.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
                (splitmix(random.0) >> 40) as f32 / (1u64 << 24) as f32
            })
            .sum::<f32>()
            - 6.0
    }

    /// The spectrum of a sum of `rank` products of random vectors, over noise of the given size.
    fn spectrum(rows: usize, columns: usize, rank: usize, floor: f32) -> Spectrum {
        let mut random = Random::new("test");
        let factors: Vec<(Vec<f32>, Vec<f32>)> = (0..rank)
            .map(|_| {
                let u = (0..rows).map(|_| noise(&mut random)).collect();
                (u, (0..columns).map(|_| noise(&mut random)).collect())
            })
            .collect();
        let mut sketch = Sketch::new(rows, columns, "a.weight").unwrap();
        for i in 0..rows {
            let row: Vec<f32> = (0..columns)
                .map(|j| factors.iter().map(|(u, v)| u[i] * v[j]).sum::<f32>() + floor * noise(&mut random))
                .collect();
            sketch.row(i, &row);
        }
        sketch.finish().unwrap()
    }

    #[test]
    fn low_ranks_are_found_along_both_sides_and_noise_has_none() {
        for (rows, columns) in [(160, 300), (300, 160), (128, 128)] {
            let one = spectrum(rows, columns, 1, 0.0);
            assert_eq!(one.rank(0.99), Some(1), "{rows} x {columns}: {:?}", one.energies);
            assert!(one.top(1) > 0.999);
            let eight = spectrum(rows, columns, 8, 0.0);
            let rank = eight.rank(0.99).unwrap();
            assert!((6..=8).contains(&rank), "{rows} x {columns}: {rank}");
            let buried = spectrum(rows, columns, 1, 0.1);
            assert!(buried.top(1) > 0.9, "{:?}", buried.energies);
            let full = spectrum(rows, columns, 0, 1.0);
            assert_eq!(full.rank(0.9), None, "{:?}", full.energies);
            assert!(full.top(1) < 0.1);
        }
    }

    #[test]
    fn matrices_without_a_rank_are_left_alone() {
        assert!(Sketch::new(3, 1000, "a").is_none());
        assert!(Sketch::new(100_000, 100_000, "a").is_none());
        assert!(Sketch::new(8, 8, "a").unwrap().finish().is_none());
        let mut sketch = Sketch::new(8, 8, "a").unwrap();
        sketch.row(0, &[f32::NAN; 8]);
        assert!(sketch.finish().is_none());
    }
}
