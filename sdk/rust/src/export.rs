//! `plugin!`: names what a plugin exports.
//!
//! A component exports each interface once, whatever the number of rules behind it, and nothing at link time on
//! `wasm32-unknown-unknown` can collect them; so they are listed, and a call finds its own by name.

/// Exports what is listed: `plugin! { rules: [points], objects: [Coupon], channels: [webhook], sources: [orders],
/// endpoints: [redeem], jobs: [poll], steps: [route], functions: [money], privacy: [Provider] }`;
/// also `migrations: [Coupon]`, of types whose objects of other versions do not fit as they are.
#[macro_export]
macro_rules! plugin {
    (@rules $($rule:path),*) => {
        const _: &[&str] = &[$(<$rule as $crate::rule::Rule>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::rule::Guest for Exported {
                fn evaluate(
                    rule: ::std::string::String,
                    input: $crate::rule::Batch,
                ) -> ::std::result::Result<$crate::rule::Outcome, $crate::reason::Reason> {
                    $crate::panic::announce();
                    $(if rule == <$rule as $crate::rule::Rule>::NAME {
                        return $crate::rule::run::<$rule>(&input);
                    })*
                    ::std::result::Result::Err($crate::reason::Reason::unknown("rule", &rule))
                }
            }
            $crate::bindings::rule::export_rule!(Exported with_types_in $crate::bindings::rule);
        };
    };
    (@objects $($object:path),*) => {
        const _: &[&str] = &[$(<$object as $crate::data_object::DataObject>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::data_object::Guest for Exported {
                fn check(
                    kind: ::std::string::String,
                    changes: ::std::vec::Vec<$crate::data_object::RawChange>,
                ) -> ::std::result::Result<$crate::data_object::Answers, $crate::reason::Reason> {
                    $crate::panic::announce();
                    $(if kind == <$object as $crate::data_object::DataObject>::NAME {
                        return ::std::result::Result::Ok($crate::data_object::run::<$object>(changes));
                    })*
                    ::std::result::Result::Err($crate::reason::Reason::unknown("object type", &kind))
                }
            }
            $crate::bindings::data_object::export_data_object!(Exported with_types_in $crate::bindings::data_object);
        };
    };
    (@migrations $($object:path),*) => {
        const _: &[&str] = &[$(<$object as $crate::data_object::DataObject>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::migration::Guest for Exported {
                fn migrate(
                    kind: ::std::string::String,
                    from: u32,
                    to: u32,
                    records: ::std::vec::Vec<::std::string::String>,
                ) -> ::std::result::Result<$crate::migration::Answers, $crate::reason::Reason> {
                    $crate::panic::announce();
                    $(if kind == <$object as $crate::data_object::DataObject>::NAME {
                        return ::std::result::Result::Ok($crate::migration::run::<$object>(from, to, &records));
                    })*
                    ::std::result::Result::Err($crate::reason::Reason::unknown("migration of an object type", &kind))
                }
            }
            $crate::bindings::migration::export_migration!(Exported with_types_in $crate::bindings::migration);
        };
    };
    (@channels $($channel:path),*) => {
        const _: &[&str] = &[$(<$channel as $crate::channel::Channel>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::channel::Guest for Exported {
                fn send(
                    channel: ::std::string::String,
                    messages: ::std::vec::Vec<$crate::channel::RawMessage>,
                ) -> ::std::result::Result<(), $crate::reason::Failure> {
                    $crate::panic::announce();
                    $(if channel == <$channel as $crate::channel::Channel>::NAME {
                        return $crate::channel::run::<$channel>(messages);
                    })*
                    ::std::result::Result::Err($crate::reason::Failure::Misconfigured(
                        $crate::reason::Reason::unknown("channel", &channel),
                    ))
                }
            }
            $crate::bindings::channel::export_channel!(Exported with_types_in $crate::bindings::channel);
        };
    };
    (@sources $($source:path),*) => {
        const _: &[&str] = &[$(<$source as $crate::source::Source>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::source::Guest for Exported {
                fn receive(
                    source: ::std::string::String,
                    request: $crate::source::Request,
                ) -> ::std::result::Result<$crate::source::RawReceived, $crate::reason::Failure> {
                    $crate::panic::announce();
                    $(if source == <$source as $crate::source::Source>::NAME {
                        return $crate::source::run::<$source>(request);
                    })*
                    ::std::result::Result::Err($crate::reason::Failure::Misconfigured(
                        $crate::reason::Reason::unknown("source", &source),
                    ))
                }
            }
            $crate::bindings::source::export_source!(Exported with_types_in $crate::bindings::source);
        };
    };
    (@endpoints $($endpoint:path),*) => {
        const _: &[&str] = &[$(<$endpoint as $crate::endpoint::Endpoint>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::endpoint::Guest for Exported {
                fn handle(
                    endpoint: ::std::string::String,
                    caller: $crate::endpoint::Caller,
                    request: $crate::source::Request,
                ) -> ::std::result::Result<$crate::source::Response, $crate::reason::Failure> {
                    $crate::panic::announce();
                    $(if endpoint == <$endpoint as $crate::endpoint::Endpoint>::NAME {
                        return $crate::endpoint::run::<$endpoint>(caller, request);
                    })*
                    ::std::result::Result::Err($crate::reason::Failure::Misconfigured(
                        $crate::reason::Reason::unknown("endpoint", &endpoint),
                    ))
                }
            }
            $crate::bindings::endpoint::export_endpoint!(Exported with_types_in $crate::bindings::endpoint);
        };
    };
    (@jobs $($job:path),*) => {
        const _: &[&str] = &[$(<$job as $crate::job::Job>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::job::Guest for Exported {
                fn run(
                    job: ::std::string::String,
                    scheduled: i64,
                    cursor: ::std::option::Option<::std::string::String>,
                ) -> ::std::result::Result<$crate::job::RawProgress, $crate::reason::Failure> {
                    $crate::panic::announce();
                    $(if job == <$job as $crate::job::Job>::NAME {
                        return $crate::job::run::<$job>(scheduled, cursor);
                    })*
                    ::std::result::Result::Err($crate::reason::Failure::Misconfigured(
                        $crate::reason::Reason::unknown("job", &job),
                    ))
                }
            }
            $crate::bindings::job::export_job!(Exported with_types_in $crate::bindings::job);
        };
    };
    (@steps $($step:path),*) => {
        const _: &[&str] = &[$(<$step as $crate::step::Step>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::step::Guest for Exported {
                fn run(
                    step: ::std::string::String,
                    entries: ::std::vec::Vec<$crate::step::RawEntry>,
                ) -> ::std::result::Result<::std::vec::Vec<$crate::step::RawNext>, $crate::reason::Reason> {
                    $crate::panic::announce();
                    $(if step == <$step as $crate::step::Step>::NAME {
                        return ::std::result::Result::Ok($crate::step::run::<$step>(entries));
                    })*
                    ::std::result::Result::Err($crate::reason::Reason::unknown("step", &step))
                }
            }
            $crate::bindings::step::export_step!(Exported with_types_in $crate::bindings::step);
        };
    };
    (@functions $($function:path),*) => {
        const _: &[&str] = &[$(<$function as $crate::content::Function>::NAME),*];
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::content::Guest for Exported {
                fn apply(
                    function: ::std::string::String,
                    calls: $crate::content::Calls,
                ) -> ::std::result::Result<$crate::content::Results, $crate::reason::Reason> {
                    $crate::panic::announce();
                    $(if function == <$function as $crate::content::Function>::NAME {
                        return <$function as $crate::content::Function>::apply(&calls);
                    })*
                    ::std::result::Result::Err($crate::reason::Reason::unknown("function", &function))
                }
            }
            $crate::bindings::content::export_content!(Exported with_types_in $crate::bindings::content);
        };
    };
    (@privacy $privacy:path) => {
        const _: fn(
            &str,
            &$crate::privacy::Person,
        ) -> ::std::result::Result<$crate::privacy::Erased, $crate::reason::Failure> =
            <$privacy as $crate::privacy::Privacy>::erase;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            enum Exported {}
            impl $crate::privacy::Guest for Exported {
                fn erase(
                    request: ::std::string::String,
                    who: $crate::privacy::Person,
                ) -> ::std::result::Result<$crate::privacy::Erased, $crate::reason::Failure> {
                    $crate::panic::announce();
                    <$privacy as $crate::privacy::Privacy>::erase(&request, &who)
                }

                fn export(
                    request: ::std::string::String,
                    who: $crate::privacy::Person,
                    after: ::std::option::Option<::std::string::String>,
                ) -> ::std::result::Result<$crate::privacy::RawPage, $crate::reason::Failure> {
                    $crate::panic::announce();
                    $crate::privacy::export::<$privacy>(&request, &who, after.as_deref())
                }
            }
            $crate::bindings::privacy::export_privacy!(Exported with_types_in $crate::bindings::privacy);
        };
    };
    ($($section:ident: [$($item:path),* $(,)?]),+ $(,)?) => {
        $($crate::plugin!(@$section $($item),*);)+
    };
}
