//! Builds profiles in the format of `go tool pprof`.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

use super::profile_format::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};

/// The id of the only mapping.
const MAPPING: u64 = 1;

/// A profile being built.
#[derive(Debug)]
pub(super) struct ProfileBuilder {
    profile: Profile,
    /// The index of each text in the table of texts.
    texts: HashMap<String, i64>,
    locations: HashMap<Frame, u64>,
}

/// A place in the program, or a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    /// Its name.
    pub(super) name: String,
    /// Its source file, if there is one.
    pub(super) file: String,
    /// Its line, from 1; 0 if unknown.
    pub(super) line: u32,
}

impl From<&str> for Frame {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl ProfileBuilder {
    /// An empty profile whose samples have these values, each a name and a unit.
    pub(super) fn new(values: &[(&str, &str)]) -> Self {
        let mut new = Self { profile: Profile::default(), texts: HashMap::new(), locations: HashMap::new() };
        // The format requires that the first text is empty.
        new.text("");

        new.profile.sample_type = values.iter().map(|value| new.value_type(*value)).collect();
        // Without names in the mapping, `go tool pprof` looks them up by addresses when it is given the program as
        // well, and the profile has no addresses.
        new.profile.mapping.push(Mapping {
            id: MAPPING,
            memory_limit: u64::MAX,
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
        });
        new
    }

    /// Sets when the samples were taken, for how long, and at which period.
    pub(super) fn span(&mut self, started: SystemTime, span: Duration, period: ((&str, &str), Duration)) {
        let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        self.profile.time_nanos = nanoseconds(started.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.profile.duration_nanos = nanoseconds(span);
        self.profile.period_type = Some(self.value_type(period.0));
        self.profile.period = nanoseconds(period.1);
    }

    /// Adds a sample; `stack` begins with the innermost frame.
    pub(super) fn add(&mut self, stack: &[Frame], values: &[i64]) {
        let location_id = stack.iter().map(|frame| self.location(frame)).collect();
        self.profile.sample.push(Sample { location_id, value: values.to_vec(), label: Vec::new() });
    }

    /// [`ProfileBuilder::add`] with a label, for `go tool pprof -tagfocus`.
    pub(super) fn add_labelled(&mut self, stack: &[Frame], values: &[i64], (key, text): (&str, &str)) {
        self.add(stack, values);
        let label = Label { key: self.text(key), text: self.text(text) };
        self.profile.sample.last_mut().into_iter().for_each(|sample| sample.label.push(label));
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
        // Without a system name: `pprof` takes one that equals the name for a mangled C++ name, and cuts it.
        self.profile.function.push(Function { id, name, filename });
        let line = vec![Line { function_id: id, line: frame.line.into() }];
        self.profile.location.push(Location { id, mapping_id: MAPPING, line });

        self.locations.insert(frame.clone(), id);
        id
    }

    fn value_type(&mut self, (name, unit): (&str, &str)) -> ValueType {
        ValueType { name: self.text(name), unit: self.text(unit) }
    }

    fn text(&mut self, text: &str) -> i64 {
        let next = i64::try_from(self.texts.len()).unwrap_or(i64::MAX);
        *self.texts.entry(text.to_owned()).or_insert(next)
    }
}
