//! The works: what is asked of a gateway, one file each.

mod churn;
mod echo;
mod explain;
mod idle;
mod large;
mod misbehaviour;
mod mixed;
mod presets;
mod push;
mod rate;
mod stall;
mod traffic;

use serde_json::{Map, Value};

use crate::load::Fault;
use crate::session::{Findings, Session};
pub(crate) use churn::Churn;
pub(crate) use echo::Echo;
pub(crate) use idle::Idle;
pub(crate) use large::Large;
pub(crate) use misbehaviour::Kind as MisbehaviourKind;
pub(crate) use mixed::Mixed;
pub(crate) use presets::{GOALS, SUITE, preset};
pub(crate) use push::Push;
pub(crate) use rate::Rate;
pub(crate) use stall::Stall;

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
