//! Profiles in the format of `go tool pprof`.

use std::collections::HashMap;

use pprof::protos::{Function, Line, Location, Mapping, Message, Profile, Sample, ValueType};

/// The one mapping of our profiles.
const MAPPING: u64 = 1;

/// A profile in the making.
#[derive(Debug)]
pub(super) struct ProfileBuilder {
    profile: Profile,
    /// Where a text stands in the table of texts.
    texts: HashMap<String, i64>,
    locations: HashMap<Frame, u64>,
}

/// A place in the program, or in what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    /// What is there.
    pub(super) name: String,
    /// Where it is written, or nothing.
    pub(super) file: String,
    /// The line there, from 1; 0: unknown.
    pub(super) line: u32,
}

impl From<&str> for Frame {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl ProfileBuilder {
    /// An empty profile whose samples have these values, each with its unit.
    pub(super) fn new(values: &[(&str, &str)]) -> Self {
        let mut new = Self { profile: Profile::default(), texts: HashMap::new(), locations: HashMap::new() };
        // The first text has to be the empty one.
        new.text("");
        let types = values.iter().map(|(name, unit)| ValueType { ty: new.text(name), unit: new.text(unit) }).collect();
        new.profile.sample_type = types;
        declare_symbolized(&mut new.profile);
        new
    }

    /// Adds a sample; `stack` begins with the innermost frame.
    pub(super) fn add(&mut self, stack: &[Frame], values: &[i64]) {
        let location_id = stack.iter().map(|frame| self.location(frame)).collect();
        self.profile.sample.push(Sample { location_id, value: values.to_vec(), ..Sample::default() });
    }

    /// The profile's bytes.
    pub(super) fn encode(mut self) -> Vec<u8> {
        let mut texts: Vec<(String, i64)> = self.texts.into_iter().collect();
        texts.sort_by_key(|(_, place)| *place);
        self.profile.string_table = texts.into_iter().map(|(text, _)| text).collect();
        self.profile.encode_to_vec()
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        if let Some(id) = self.locations.get(frame) {
            return *id;
        }
        let id = self.locations.len() as u64 + 1;
        let (name, filename) = (self.text(&frame.name), self.text(&frame.file));
        // Without a system name: `pprof` takes one that equals the name for mangled and cuts what it thinks is C++.
        self.profile.function.push(Function { id, name, filename, ..Function::default() });
        let line = vec![Line { function_id: id, line: frame.line.into() }];
        self.profile.location.push(Location { id, mapping_id: MAPPING, line, ..Location::default() });
        self.locations.insert(frame.clone(), id);
        id
    }

    fn text(&mut self, text: &str) -> i64 {
        let next = i64::try_from(self.texts.len()).unwrap_or(i64::MAX);
        *self.texts.entry(text.to_owned()).or_insert(next)
    }
}

/// Says that all functions have their names already. Otherwise `go tool pprof` looks them up again when it is given
/// the program as well, by addresses that the profile does not have.
pub(super) fn declare_symbolized(profile: &mut Profile) {
    let named = Mapping {
        id: MAPPING,
        memory_limit: u64::MAX,
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
        ..Mapping::default()
    };
    profile.mapping.push(named);
    profile.location.iter_mut().for_each(|location| location.mapping_id = MAPPING);
}
