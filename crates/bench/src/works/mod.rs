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
mod work;

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
pub(crate) use work::{Kind, Work};
