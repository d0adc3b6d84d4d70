//! The one condition language: a typed predicate over one customer, with one meaning in memory and as SQL.
//!
//! The JSON forms are in `docs/condition.schema.json`; the types are in [`tree`](Condition). A condition is a tree of
//! `all`, `any` and `not` over leaves.
//!
//! # Meaning
//!
//! Truth is three-valued ([`Truth`]). A customer satisfies a condition if its truth is `True`; `Unknown` and
//! `False` both mean that they do not.
//!
//! **Comparisons** of a found value with the condition's:
//!
//! | comparison | truth |
//! | --- | --- |
//! | `exists` | `True` if the value is there and not `null`, else `False`. Never `Unknown`. |
//! | `missing` | The negation of `exists`. Never `Unknown`. |
//! | any other, value absent or `null` | `Unknown` |
//! | any other, values of different types | `Unknown`, for `ne` too |
//! | `eq ne lt le gt ge`, two numbers | compared exactly: integers of up to 64 bits as they are, all others as IEEE 754 doubles |
//! | the same, two texts that both write an [`instant`] | compared as instants, to the microsecond |
//! | the same, any other two texts | compared by their UTF-8 bytes (PostgreSQL: `COLLATE "C"`) |
//! | `lt le gt ge` with `{"now": "+30d"}` | an instant with the moment so long after (`-`: before) now; what is no instant is `Unknown` |
//! | the same, two booleans | `eq` and `ne` compare; the ordering comparisons are `Unknown` |
//! | `prefix contains`, two texts | whether the found text starts with, or holds, the condition's |
//! | any other, a list or an object on either side | `Unknown` |
//! | `in` | `any` of `eq` with each element, and `Unknown` if the value is absent or `null` |
//!
//! **Leaves**:
//!
//! | leaf | truth |
//! | --- | --- |
//! | `attribute` | the comparison with the attribute's value |
//! | `tag` | `True` if the tag's stored value is `true`, else `False` |
//! | `identity` | over the customer's identities of the kind: `exists`, `missing`; else `Unknown` if there are none, `True` if the comparison is `True` for one of them. `ne` negates `eq`: none of them is equal. |
//! | `consent` | whether the state for the purpose (for `purpose/channel`, if one is stored) is the one named; what is not stored is `unset` |
//! | `segment` | whether the customer is a member |
//! | `bucket` | whether the customer's bucket of 10,000 under the seed lies in `[from, to)` |
//! | `journey` | `in`: a run waits; `was-in`: there is or was a run; `converted`: a run ended at an exit whose reason is `converted` |
//! | `message` | the comparison of the number of messages in the window; `sent`: tried at least once; `delivered`: the provider took it; `failed`: for good. A message's time is when it was made. |
//! | `event` | the comparison of an aggregate over the matching events in the window |
//! | `sequence` | whether matching events follow one another in time; those of one instant may stand in any order |
//! | `object` | `any`, `none`: whether an object of the customer matches; `all`: none of them fails to match; `count`: the comparison of how many match |
//!
//! An event or object **matches** if all its `where` tests are `True`. `tag`, `consent`, `segment`, `bucket`, `journey`,
//! `message`, `sequence` and `object` are never `Unknown`.
//!
//! **Aggregates** of an event leaf, over the property `of`:
//!
//! | aggregate | value |
//! | --- | --- |
//! | `count` | how many events match; needs no property |
//! | `sum`, `avg` | of the property's numbers, each rounded to a millionth (halves away from zero, at most ±9·10¹²), as is the value that they are compared with. So a sum does not depend on the order of its terms. The sum of nothing is 0, the average of nothing is `Unknown`. |
//! | `min`, `max` | of the property's numbers; of nothing `Unknown` |
//! | `first`, `last` | the property's value in the first or last matching event by time and position; without such an event all comparisons are `Unknown` |
//! | `distinct` | how many different texts, numbers and booleans |
//!
//! **Windows**: `within` d is (now − d, now]; `from` and `to` are [from, to) and never reach beyond now. An event counts from
//! its own time on, also if it arrived before that.
//!
//! `all`, `any` and `not` follow Kleene: `all` is `False` if one is `False`, else `Unknown` if one is
//! `Unknown`, else `True` (so `all: []` is `True`); `any` is `True` if one is `True`, else `Unknown` if one is
//! `Unknown`, else `False` (so `any: []` is `False`); `not` swaps `True` and `False` and keeps `Unknown`.
//! That is what SQL's `AND`, `OR` and `NOT` do with `NULL`, so the SQL form of a leaf gives `NULL` for `Unknown`.
//!
//! # Time
//!
//! [`Condition::evaluate`] also answers `until`: as long as nothing happens, the truth stays what it is up to that moment
//! and may be another from it on.
//!
//! # Check
//!
//! [`Condition::faults`] says what is wrong with a condition, [`Condition::faults_against`] also what it mentions that does
//! not exist. The two executions promise to agree on conditions without faults, and on integers of up to 64 bits (in sums, and
//! in `min`, `max` and `distinct`, of up to 63) and other numbers of at most 15 significant digits. Nothing here reads a clock.

mod bucket;
mod check;
mod compare;
mod cycle;
mod declared;
mod evaluate;
mod events;
mod explain;
mod facts;
mod history;
mod instant;
mod needs;
mod normal;
mod number;
mod sequence;
mod tree;
mod truth;
mod window;

pub use bucket::{BUCKETS, BucketHash};
pub use check::{MAX_DEPTH, MAX_LEAVES, MAX_STEPS, MAX_VALUES, Paths, Place, property_faults};
pub use compare::{object_matches, order, properties_match, same};
pub use cycle::cycle;
pub use declared::Declarations;
pub use evaluate::Evaluation;
pub use events::{MICROS_LIMIT, micros, scaled_operand};
pub use explain::{Explanation, NESTED, NESTED_DEPTH};
pub use facts::{EventFact, Facts, MessageFact, ObjectFact, RunFact};
pub use history::{History, Picks, SeriesId};
pub use instant::{Relative, instant, is_date};
pub use needs::{EventNeed, MessageNeed, Needs};
pub use tree::{
    Aggregate, AttributeTest, BucketTest, Comparison, Condition, ConsentState, ConsentTest, CountTest, EventTest,
    FieldTest, IdentityTest, JourneyState, JourneyTest, MessageState, MessageTest, ObjectTest, PropertyTest,
    Quantifier, SequenceTest, Step,
};
pub use truth::Truth;
