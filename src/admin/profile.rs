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
    /// The locations by the name of what is there.
    locations: HashMap<String, u64>,
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

    /// Adds a sample; `stack` begins with the innermost name.
    pub(super) fn add(&mut self, stack: &[&str], values: &[i64]) {
        let location_id = stack.iter().map(|name| self.location(name)).collect();
        self.profile.sample.push(Sample { location_id, value: values.to_vec(), ..Sample::default() });
    }

    /// The profile's bytes.
    pub(super) fn encode(mut self) -> Vec<u8> {
        let mut texts: Vec<(String, i64)> = self.texts.into_iter().collect();
        texts.sort_by_key(|(_, place)| *place);
        self.profile.string_table = texts.into_iter().map(|(text, _)| text).collect();
        self.profile.encode_to_vec()
    }

    fn location(&mut self, name: &str) -> u64 {
        if let Some(id) = self.locations.get(name) {
            return *id;
        }
        let id = self.locations.len() as u64 + 1;
        let name_text = self.text(name);
        self.profile.function.push(Function { id, name: name_text, system_name: name_text, ..Function::default() });
        let line = vec![Line { function_id: id, line: 0 }];
        self.profile.location.push(Location { id, mapping_id: MAPPING, line, ..Location::default() });
        self.locations.insert(name.to_owned(), id);
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
