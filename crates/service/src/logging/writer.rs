//! The thread that writes the log.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::error;

use super::queue::{LineQueue, capture};

/// Bytes that are written at a time: as many as a pipe takes in one piece, so that lines of several programs on one pipe
/// stay whole.
const PIECE_BYTES: usize = 4096;
/// Memory that is kept for the next lines.
const KEPT_BYTES: usize = 64 << 10;
/// Time to the next attempt where somebody else has made stderr non-blocking, and it is full.
const PAUSE: Duration = Duration::from_millis(10);

/// What the thread works with.
pub(super) struct Writer<Out> {
    queue: Arc<LineQueue>,
    out: Out,
    /// Dropped lines that the log does not show yet.
    unreported: u64,
}

impl<Out: Write + Send + 'static> Writer<Out> {
    /// Starts the thread, which ends after [`LineQueue::finish`].
    ///
    /// # Errors
    /// The system refuses it.
    pub(super) fn start(queue: Arc<LineQueue>, out: Out) -> io::Result<()> {
        let mut writer = Self { queue, out, unreported: 0 };
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run()).map(drop)
    }
}

impl<Out: Write> Writer<Out> {
    fn run(&mut self) {
        let mut batch = Vec::new();
        while let Some(dropped) = self.queue.take(&mut batch) {
            self.write_lines(&batch);
            self.unreported += dropped;
            self.report_dropped();
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
        }
    }

    /// Reports in the log what is missing in it, unless the reader takes nothing.
    fn report_dropped(&mut self) {
        if self.unreported == 0 {
            return;
        }
        let lines = std::mem::take(&mut self.unreported);
        let line = capture(|| error!(target: "fastway::logging::writer", lines, "lines of the log were dropped"));
        if !self.write_lines(&line) {
            self.unreported += lines;
        }
    }

    /// Writes lines; false when one could not be written.
    fn write_lines(&mut self, mut lines: &[u8]) -> bool {
        let mut all = true;
        while !lines.is_empty() {
            let (piece, rest) = first_piece(lines);
            self.queue.writing();
            let result = write_patiently(&mut self.out, piece);
            self.queue.written();
            if result.is_err() {
                let lost = piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
                self.queue.count_lost(lost);
                self.unreported += lost;
                all = false;
            }
            lines = rest;
        }
        all
    }
}

impl<Out> Drop for Writer<Out> {
    fn drop(&mut self) {
        self.queue.ended();
    }
}

/// As many whole lines as fit a piece, or the first line if that is longer.
fn first_piece(lines: &[u8]) -> (&[u8], &[u8]) {
    let end_of_line = |bytes: &[u8]| bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
    let last_end = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
    let fitting = lines.get(..PIECE_BYTES).map_or(Some(lines.len()), last_end);
    let length = fitting.or_else(|| end_of_line(lines)).unwrap_or(lines.len());
    lines.split_at_checked(length).unwrap_or((lines, &[]))
}

fn write_patiently(out: &mut impl Write, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        match out.write(piece) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => piece = piece.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stderr that fails for the first `failures` pieces.
    #[derive(Default)]
    struct Flaky {
        failures: u32,
        written: Vec<u8>,
    }

    impl Write for &mut Flaky {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            if let Some(left) = self.failures.checked_sub(1) {
                self.failures = left;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.extend_from_slice(piece);
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_full_disk_has_cost_are_counted_and_reported() {
        let queue = Arc::new(LineQueue::default());
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::clone(&queue)).without_time().finish();
        let mut disk = Flaky { failures: 2, ..Flaky::default() };
        let line = format!("{}\n", "x".repeat(PIECE_BYTES / 2 - 1));
        (0..5).for_each(|_| queue.push(line.as_bytes()));
        let mut writer = Writer { queue: Arc::clone(&queue), out: &mut disk, unreported: 0 };
        let mut batch = Vec::new();
        queue.take(&mut batch).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            writer.write_lines(&batch);
            writer.report_dropped();
            assert_eq!(writer.unreported, 0);
        });
        drop(writer);
        assert_eq!(queue.dropped(), 4, "two pieces of two lines");
        let written = String::from_utf8(disk.written).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].contains("lines of the log were dropped") && lines[1].contains('4'), "{}", lines[1]);
    }

    #[test]
    fn a_piece_is_whole_lines_that_a_pipe_takes_at_once() {
        let line = |bytes: usize| [vec![b'x'; bytes - 1], vec![b'\n']].concat();
        let lines = [line(3000), line(1096), line(1), line(9000), line(2)].concat();
        let mut rest = lines.as_slice();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (piece, behind) = first_piece(rest);
            pieces.push(piece.len());
            rest = behind;
        }
        assert_eq!(pieces, [4096, 1, 9000, 2]);
    }
}
