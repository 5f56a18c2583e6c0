//! A long list, rendered in pieces by a few threads and written in order: no more than a piece for each thread stands in
//! memory beside the report.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::thread;

/// Elements of a piece.
const PIECE: usize = 1024;
/// Threads that render; the report is read by all of them, and more would wait for the writer.
const THREADS: usize = 4;

/// Writes `items`, each as `render` appends it, with `between` between them.
pub(super) fn write<T: Sync>(
    items: &[T],
    between: &[u8],
    out: &mut dyn Write,
    render: &(dyn Fn(&T, &mut Vec<u8>) -> io::Result<()> + Sync),
) -> io::Result<()> {
    let piece = |items: &[T]| {
        let mut piece = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                piece.extend_from_slice(between);
            }
            render(item, &mut piece)?;
        }
        io::Result::Ok(piece)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    for (round, items) in items.chunks(PIECE.saturating_mul(threads)).enumerate() {
        let pieces: Vec<io::Result<Vec<u8>>> = thread::scope(|scope| {
            let mut chunks = items.chunks(PIECE);
            let first = chunks.next().unwrap_or_default();
            let others: Vec<_> = chunks.map(|items| scope.spawn(move || piece(items))).collect();
            let mut pieces = vec![piece(first)];
            pieces.extend(
                others
                    .into_iter()
                    .map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))),
            );
            pieces
        });
        for (index, piece) in pieces.into_iter().enumerate() {
            if round > 0 || index > 0 {
                out.write_all(between)?;
            }
            out.write_all(&piece?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_list_however_long_it_is() {
        for length in [0, 1, PIECE, PIECE + 1, PIECE * THREADS * 2 + 7] {
            let items: Vec<usize> = (0..length).collect();
            let mut out = Vec::new();
            write(&items, b", ", &mut out, &|item, piece| write!(piece, "{item}")).unwrap();
            let expected: Vec<String> = items.iter().map(usize::to_string).collect();
            assert_eq!(String::from_utf8(out).unwrap(), expected.join(", "), "{length}");
        }
    }
}
