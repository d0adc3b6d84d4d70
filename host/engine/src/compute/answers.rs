//! The one way from a question to its answer: what is open is put to the plugins, a round at a time, each plugin with all that
//! concerns it, and whoever asked goes on.

use super::actor::Turn;
use super::ask::Kind;
use super::batch::Batch;
use super::functions::ask_functions;
use super::journeys::{meet_answer, meet_step, meet_values};
use super::objects::check_objects;
use super::rules::{ask_rule, meet_outcome};
use super::segments::learn_object;
use super::steps::ask_step;
use super::stop::Stop;

/// Answers what is open, and what those answers ask in turn, of the kinds up to this one.
pub fn settle(batch: &mut Batch<'_>, wave: &[Turn], last: Kind) -> Result<(), Stop> {
    while let Some(kind) = batch.asks.next().filter(|kind| *kind <= last) {
        match kind {
            Kind::Rules => {
                for outcome in ask_rule(batch, wave)? {
                    meet_outcome(batch, wave, outcome);
                }
            }
            Kind::Steps => {
                for went in ask_step(batch)? {
                    meet_step(batch, went);
                }
            }
            Kind::Functions => {
                for told in ask_functions(batch)? {
                    meet_values(batch, told);
                }
            }
            Kind::Objects => {
                for answer in check_objects(batch)? {
                    learn_object(batch, &answer);
                    meet_answer(batch, answer);
                }
            }
        }
    }
    Ok(())
}
