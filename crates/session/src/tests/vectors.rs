//! The golden vectors of both protocols, `tests/vectors/session-*.json`; their format is described beside them.

mod hellos;
mod legacy;
mod plaintexts;
mod transports;

use super::fixed::{agree, read};

#[test]
fn the_files_are_what_the_generator_makes() {
    agree("session-transports.json", transports::vectors());
    agree("session-plaintexts.json", plaintexts::vectors());
    agree("session-hellos.json", hellos::vectors());
    agree("session-legacy.json", legacy::vectors());
}

#[test]
fn transports_are_carried_as_the_file_says() {
    read("session-transports.json").iter().for_each(transports::check);
}

#[test]
fn plaintexts_are_read_as_the_file_says() {
    read("session-plaintexts.json").iter().for_each(plaintexts::check);
}

#[test]
fn first_messages_are_read_as_the_file_says() {
    read("session-hellos.json").iter().for_each(hellos::check);
}

#[test]
fn legacy_transports_are_carried_as_the_file_says() {
    read("session-legacy.json").iter().for_each(legacy::check);
}
