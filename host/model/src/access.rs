//! What a plugin of the I/O lane may read and write of the tenant's data, as its manifest asks for it and an admin grants it.

/// The forms, as people are told them.
pub const ACCESS: &str = "customer.attributes.<name>, customer.tags.<name>, customer.consents.<name>, \
    customer.identities.<kind>, segment.<name>, object.<type>, object.<type>.write";

/// One line of `access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<'a> {
    /// A field of any customer, without `customer.`.
    Field(&'a str),
    /// Who is in a segment.
    Members(&'a str),
    /// Objects of a type are read.
    Objects(&'a str),
    /// They are created, changed and deleted, too.
    ObjectWrites(&'a str),
}

const FIELDS: [&str; 4] = ["attributes.", "tags.", "consents.", "identities."];

impl Access<'_> {
    pub fn parse(text: &str) -> Option<Access<'_>> {
        let (what, name) = text.split_once('.')?;
        let is_field = || FIELDS.iter().any(|field| name.strip_prefix(field).is_some_and(|name| !name.is_empty()));
        match what {
            _ if name.is_empty() => None,
            "customer" => is_field().then_some(Access::Field(name)),
            "segment" => Some(Access::Members(name)),
            "object" => match name.split_once('.') {
                None => Some(Access::Objects(name)),
                Some((kind, "write")) if !kind.is_empty() => Some(Access::ObjectWrites(kind)),
                Some(_) => None,
            },
            _ => None,
        }
    }

    /// In plain words, for who is to agree.
    pub fn in_words(self) -> String {
        match self {
            Access::Field(field) => format!("reads customer.{field} of any customer"),
            Access::Members(segment) => format!("reads who is in the segment `{segment}`"),
            Access::Objects(kind) => format!("reads objects of the type `{kind}`"),
            Access::ObjectWrites(kind) => format!("reads, makes, changes and deletes objects of the type `{kind}`"),
        }
    }

    /// The same in Chinese.
    pub fn in_chinese(self) -> String {
        match self {
            Access::Field(field) => format!("读取任何客户的 customer.{field}"),
            Access::Members(segment) => format!("读取分群 `{segment}` 的成员"),
            Access::Objects(kind) => format!("读取 `{kind}` 类型的对象"),
            Access::ObjectWrites(kind) => format!("读取、创建、修改和删除 `{kind}` 类型的对象"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_is_named_in_one_way() {
        assert_eq!(Access::parse("customer.attributes.a.b"), Some(Access::Field("attributes.a.b")));
        assert_eq!(Access::parse("segment.lapsed"), Some(Access::Members("lapsed")));
        assert_eq!(Access::parse("object.coupon"), Some(Access::Objects("coupon")));
        assert_eq!(Access::parse("object.coupon.write"), Some(Access::ObjectWrites("coupon")));
        for wrong in
            ["customer", "customer.attributes.", "customer.secrets.x", "object.", "object.a.read", "segment.", "x.y"]
        {
            assert_eq!(Access::parse(wrong), None, "{wrong}");
        }
    }
}
