//! A work of any kind.

use serde_json::{Map, Value};

use super::churn::Churn;
use super::echo::Echo;
use super::idle::Idle;
use super::large::Large;
use super::mixed::Mixed;
use super::push::Push;
use super::rate::Rate;
use super::stall::Stall;
use crate::load::Fault;
use crate::session::{Findings, Session};

/// A work with its name and its settings.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// As results call it: the subcommand's name, or that of a preset.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Echo(Echo),
    Rate(Rate),
    Push(Push),
    Large(Large),
    Mixed(Mixed),
    Idle(Idle),
    Churn(Churn),
    Stall(Stall),
}

impl Work {
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind }
    }

    pub(crate) fn run(&self, session: Session<'_>) -> Result<Findings, Fault> {
        match &self.kind {
            Kind::Echo(work) => work.run(session),
            Kind::Rate(work) => work.run(session),
            Kind::Push(work) => work.run(session),
            Kind::Large(work) => work.run(session),
            Kind::Mixed(work) => work.run(session),
            Kind::Idle(work) => work.run(session),
            Kind::Churn(work) => work.run(session),
            Kind::Stall(work) => work.run(session),
        }
    }

    /// The settings as results show them.
    pub(crate) fn parameters(&self) -> Map<String, Value> {
        let value = match &self.kind {
            Kind::Echo(work) => serde_json::to_value(work),
            Kind::Rate(work) => serde_json::to_value(work),
            Kind::Push(work) => serde_json::to_value(work),
            Kind::Large(work) => serde_json::to_value(work),
            Kind::Mixed(work) => serde_json::to_value(work),
            Kind::Idle(work) => serde_json::to_value(work),
            Kind::Churn(work) => serde_json::to_value(work),
            Kind::Stall(work) => serde_json::to_value(work),
        };
        match value {
            Ok(Value::Object(parameters)) => parameters,
            _ => Map::new(),
        }
    }
}
