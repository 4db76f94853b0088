//! The names of addresses in the program.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::profile::Frame;

/// Finds names, in the program's debug information, which it holds in memory for as long as it lives. Others wait meanwhile:
/// the end of one would have all of them read it again.
#[derive(Debug)]
pub(super) struct Symbols {
    known: HashMap<usize, Vec<Frame>>,
    _alone: MutexGuard<'static, ()>,
}

impl Symbols {
    /// Waits until nobody else looks for names.
    pub(super) fn alone() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());

        Self { known: HashMap::new(), _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// The function at an address, behind those that the compiler has put into it.
    pub(super) fn at(&mut self, address: usize) -> &[Frame] {
        self.known.entry(address).or_insert_with(|| resolve(address))
    }

    /// The function of a call that returns to this address.
    pub(super) fn of_call(&mut self, return_address: usize) -> &[Frame] {
        self.at(return_address.wrapping_sub(1))
    }
}

impl Drop for Symbols {
    fn drop(&mut self) {
        backtrace::clear_symbol_cache();
    }
}

fn resolve(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    // Taken for the address to which a call returns, so that the byte before it is looked up.
    let after = address.wrapping_add(1);
    backtrace::resolve(after as *mut c_void, |symbol| {
        let name = symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}"));
        let file = symbol.filename().map(|file| file.display().to_string()).unwrap_or_default();
        frames.push(Frame { name, file, line: symbol.lineno().unwrap_or_default() });
    });
    if frames.is_empty() {
        frames.push(Frame::from(format!("{address:#x}").as_str()));
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_name_of_its_function() {
        let here = resolve as fn(usize) -> Vec<Frame> as usize;
        assert!(
            Symbols::alone().at(here).iter().any(|frame| frame.name.contains("symbols::resolve") && frame.line > 0)
        );
    }
}
