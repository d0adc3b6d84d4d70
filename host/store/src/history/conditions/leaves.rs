//! The leaves other than events: each one SQL expression over the row `c` of `customers`.

use openhub_model::condition::{
    AttributeTest, BUCKETS, BucketHash, BucketTest, Comparison, ConsentState, ConsentTest, FieldTest, IdentityTest,
    JourneyState, JourneyTest, MessageState, MessageTest, ObjectTest, Quantifier,
};
use openhub_model::message::MessageStatus;
use openhub_model::run::RunStatus;
use serde_json::Value;

use super::AsOf;
use super::compare::Members;
use super::events::{plain, start};
use crate::database::bulk::json_text;
use crate::database::filters::Sql;

impl Sql {
    pub(super) fn attribute(&mut self, test: &AttributeTest, as_of: AsOf) -> &mut Self {
        self.timed_member(Members::Attributes, &test.name, test.is, &test.value, as_of.now)
    }

    pub(super) fn tag(&mut self, tag: &str) -> &mut Self {
        self.push("EXISTS (SELECT 1 FROM json_each(c.tags) WHERE type = 'true' AND key = ").text(tag).push(")")
    }

    /// The greatest truth over the identities of the kind; of none it is NULL.
    pub(super) fn identity(&mut self, test: &IdentityTest) -> &mut Self {
        let (is, holds) = match test.is {
            Comparison::Exists => return self.push("EXISTS (SELECT 1").identities(test),
            Comparison::Missing => return self.push("(NOT EXISTS (SELECT 1").identities(test).push(")"),
            Comparison::Ne => (Comparison::Eq, " = 0)"),
            is => (is, " = 1)"),
        };
        self.push("((SELECT MAX(CASE WHEN ");
        match (is, &test.value) {
            (Comparison::In, values) => {
                self.push("p.value IN (SELECT atom FROM json_each(").text(&json_text(values)).push("))");
            }
            (is, Value::String(text)) => {
                self.compared_text("p.value", is, text);
            }
            _ => {
                self.unknown();
            }
        }
        self.push(" THEN 1 ELSE 0 END)").identities(test).push(holds)
    }

    fn identities(&mut self, test: &IdentityTest) -> &mut Self {
        self.push(" FROM parts p WHERE p.tenant_id = c.tenant_id AND p.customer_id = c.part_id AND p.kind = ");
        self.text(&test.kind).push(")")
    }

    pub(super) fn consent(&mut self, test: &ConsentTest) -> &mut Self {
        self.push("(COALESCE(");
        if let Some(channel) = &test.channel {
            self.stored_consent(&format!("{}/{channel}", test.purpose)).push(", ");
        }
        self.stored_consent(&test.purpose).push(", 'unset') = ");
        self.text(match test.is {
            ConsentState::Granted => "granted",
            ConsentState::Denied => "denied",
            ConsentState::Unset => "unset",
        });
        self.push(")")
    }

    fn stored_consent(&mut self, key: &str) -> &mut Self {
        self.push("(SELECT CASE WHEN CAST(value ->> 'state' AS TEXT) IN ('granted', 'denied') THEN ");
        self.push("CAST(value ->> 'state' AS TEXT) END FROM ");
        self.either("json_each(c.consents)", "json_each(CAST(c.consents AS JSONB))");
        self.push(" WHERE key = ").text(key).push(")")
    }

    pub(super) fn segment(&mut self, name: &str) -> &mut Self {
        self.push("EXISTS (SELECT 1 FROM memberships m WHERE m.tenant_id = c.tenant_id AND m.customer_id = c.part_id");
        self.push(" AND m.segment = ").text(name).push(")")
    }

    /// The arithmetic of [`BucketHash`] on the hexadecimal digits of the id.
    pub(super) fn bucket(&mut self, test: &BucketTest) -> &mut Self {
        let BucketHash { low, high, offset, prime } = BucketHash::of(&test.seed);
        // All are below 2³¹.
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.push("(((").int(number(low)).push(" * ").either(SQLITE_LOW, POSTGRES_LOW).push(" + ").int(number(high));
        self.push(" * ").either(SQLITE_HIGH, POSTGRES_HIGH).push(" + ").int(number(offset)).push(") % ");
        self.int(number(prime)).push(" % ").int(i64::from(BUCKETS)).push(") BETWEEN ").int(i64::from(test.from));
        self.push(" AND ").int(i64::from(test.to) - 1).push(")")
    }

    pub(super) fn journey(&mut self, test: &JourneyTest) -> &mut Self {
        self.push("EXISTS (SELECT 1 FROM ").parts_and("p", "runs ", "r", " INDEXED BY runs_part").of_customer("p", "r");
        self.push(" AND r.journey = ").text(&test.name);
        match test.is {
            JourneyState::In => self.push(" AND r.status = ").int(RunStatus::Waiting.code()),
            JourneyState::WasIn => self,
            JourneyState::Converted => {
                self.push(" AND r.status = ").int(RunStatus::Done.code());
                self.push(" AND EXISTS (SELECT 1 FROM journey_versions v, ");
                self.either("json_each(v.definition, '$.nodes')", "json_each(CAST(v.definition AS JSONB) -> 'nodes')");
                self.push(" n WHERE v.tenant_id = r.tenant_id AND v.journey = r.journey AND v.version = r.version ");
                self.push("AND n.key = r.node AND CAST(n.value ->> 'reason' AS TEXT) = 'converted')")
            }
        };
        self.push(")")
    }

    pub(super) fn message(&mut self, test: &MessageTest, as_of: AsOf) -> &mut Self {
        let least = Value::from(1);
        let (is, value) = test.count.as_ref().map_or((Comparison::Ge, &least), |count| (count.is, &count.value));
        self.push("(");
        self.compared_number(is, value, plain, |sql| {
            sql.push("(SELECT COUNT(*) FROM ").parts_and("p", "messages ", "g", " INDEXED BY messages_part");
            sql.of_customer("p", "g").push(" AND g.created_at <= ").int(as_of.now.micros());
            if let Some(within) = test.within {
                sql.push(" AND g.created_at > ").int(start(as_of.now, within));
            }
            if let Some(channel) = &test.channel {
                sql.push(" AND g.channel = ").text(channel);
            }
            if let Some(journey) = &test.journey {
                sql.push(" AND g.journey = ").text(journey);
            }
            match test.is {
                MessageState::Sent => sql.push(" AND g.attempts > 0"),
                MessageState::Delivered => sql.push(" AND g.status = ").int(MessageStatus::Accepted.code()),
                MessageState::Failed => sql.push(" AND g.status = ").int(MessageStatus::Failed.code()),
            };
            sql.push(")");
        });
        self.push(")")
    }

    pub(super) fn object(&mut self, test: &ObjectTest, as_of: AsOf) -> &mut Self {
        match test.quantifier {
            Quantifier::Any => self.push("EXISTS (SELECT 1").objects(test).fields(&test.tests, as_of).push(")"),
            Quantifier::None => self.push("(NOT EXISTS (SELECT 1").objects(test).fields(&test.tests, as_of).push("))"),
            Quantifier::All => {
                self.push("(NOT EXISTS (SELECT 1").objects(test).push(" AND (TRUE").fields(&test.tests, as_of);
                self.push(") IS NOT TRUE))")
            }
            Quantifier::Count => {
                let is = test.is.unwrap_or(Comparison::Ge);
                self.push("(");
                self.compared_number(is, &test.value, plain, |sql| {
                    sql.push("(SELECT COUNT(*)").objects(test).fields(&test.tests, as_of).push(")");
                });
                self.push(")")
            }
        }
    }

    fn objects(&mut self, test: &ObjectTest) -> &mut Self {
        self.push(" FROM ").parts_and("p", "objects ", "o", " INDEXED BY objects_part").of_customer("p", "o");
        self.push(" AND o.kind = ").text(&test.kind)
    }

    fn fields(&mut self, tests: &[FieldTest], as_of: AsOf) -> &mut Self {
        for test in tests {
            self.push(" AND ").timed_member(Members::Fields, &test.field, test.is, &test.value, as_of.now);
        }
        self
    }
}

/// Digits 1 to 6 of the id as a number; SQLite reads no hexadecimal text.
const SQLITE_LOW: &str = concat!(
    "((instr('123456789abcdef', substr(c.part_id, 1, 1)) * 16 + instr('123456789abcdef', substr(c.part_id, 2, 1))) * 65536 + ",
    "(instr('123456789abcdef', substr(c.part_id, 3, 1)) * 16 + instr('123456789abcdef', substr(c.part_id, 4, 1))) * 256 + ",
    "instr('123456789abcdef', substr(c.part_id, 5, 1)) * 16 + instr('123456789abcdef', substr(c.part_id, 6, 1)))",
);
/// The first six of its last twelve digits.
const SQLITE_HIGH: &str = concat!(
    "((instr('123456789abcdef', substr(c.part_id, 25, 1)) * 16 + instr('123456789abcdef', substr(c.part_id, 26, 1))) * 65536 + ",
    "(instr('123456789abcdef', substr(c.part_id, 27, 1)) * 16 + instr('123456789abcdef', substr(c.part_id, 28, 1))) * 256 + ",
    "instr('123456789abcdef', substr(c.part_id, 29, 1)) * 16 + instr('123456789abcdef', substr(c.part_id, 30, 1)))",
);
const POSTGRES_LOW: &str = "CAST(CAST('x' || substr(c.part_id, 1, 6) AS BIT(24)) AS BIGINT)";
const POSTGRES_HIGH: &str = "CAST(CAST('x' || substr(c.part_id, 25, 6) AS BIT(24)) AS BIGINT)";
