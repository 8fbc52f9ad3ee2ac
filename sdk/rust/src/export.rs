//! The macro that turns an implementation of a kind's trait into exports.

/// Makes a type the plugin: `export!(scoring: MyModel);`.
///
/// The kind is one of `ingestion`, `features`, `selection`, `training`,
/// `evaluation`, `scoring`, `function`, `monitoring`, `feedback`, `governance`,
/// `documentation` and `retirement`; the type implements the trait of that name.
/// A plugin has one kind, so one line. Natively the line only checks that the
/// type implements the trait.
#[macro_export]
macro_rules! export {
    (ingestion: $plugin:ty) => {
        $crate::__export!($plugin, Ingestion, ingestion, {
            fn pull(
                parameters: String,
                cursor: Option<String>,
                expected: Vec<$crate::Field>,
                max_rows: u32,
            ) -> Result<
                $crate::bindings::ingestion::exports::modelyard::lifecycle::ingestion::Batch,
                $crate::Error,
            > {
                $crate::ingestion::adapter::pull::<$plugin>(&parameters, cursor, expected, max_rows)
            }
        });
    };
    (features: $plugin:ty) => {
        $crate::__export!($plugin, Features, features, {
            fn fit(parameters: String, data: &$crate::bindings::Reader) -> Result<Vec<u8>, $crate::Error> {
                $crate::features::adapter::fit::<$plugin>(&parameters, data)
            }
            fn load(state: Vec<u8>) -> Result<Vec<$crate::Field>, $crate::Error> {
                $crate::features::adapter::load::<$plugin>(&LOADED, &state)
            }
            fn transform(rows: Vec<$crate::Column>) -> Result<Vec<$crate::Column>, $crate::Error> {
                $crate::features::adapter::transform::<$plugin>(&LOADED, rows)
            }
        });
    };
    (selection: $plugin:ty) => {
        $crate::__export!($plugin, Selection, selection, {
            fn rank(
                parameters: String,
                data: &$crate::bindings::Reader,
                target: String,
            ) -> Result<Vec<$crate::selection::Ranked>, $crate::Error> {
                $crate::selection::adapter::rank::<$plugin>(&parameters, data, &target)
            }
        });
    };
    (training: $plugin:ty) => {
        $crate::__export!($plugin, Training, training, {
            fn train(
                settings: $crate::training::Settings,
                data: &$crate::bindings::Reader,
                validation: Option<&$crate::bindings::Reader>,
            ) -> Result<$crate::training::Artifact, $crate::Error> {
                $crate::training::adapter::train::<$plugin>(settings, data, validation)
            }
        });
    };
    (evaluation: $plugin:ty) => {
        $crate::__export!($plugin, Evaluation, evaluation, {
            fn evaluate(
                parameters: String,
                data: &$crate::bindings::Reader,
            ) -> Result<$crate::evaluation::Report, $crate::Error> {
                $crate::evaluation::adapter::evaluate::<$plugin>(&parameters, data)
            }
        });
    };
    (scoring: $plugin:ty) => {
        $crate::__export!($plugin, Scoring, scoring, {
            fn load(artifact: Vec<u8>) -> Result<$crate::Signature, $crate::Error> {
                $crate::scoring::adapter::load::<$plugin>(&LOADED, artifact)
            }
            fn predict(inputs: Vec<$crate::Tensor>) -> Result<Vec<$crate::Tensor>, $crate::Error> {
                $crate::scoring::adapter::predict::<$plugin>(&LOADED, &inputs)
            }
        });
    };
    (function: $plugin:ty) => {
        $crate::__export!($plugin, Function, function, {
            fn call(body: String) -> Result<String, $crate::Error> {
                $crate::function::adapter::call::<$plugin>(&body)
            }
        });
    };
    (monitoring: $plugin:ty) => {
        $crate::__export!($plugin, Monitoring, monitoring, {
            fn check(
                parameters: String,
                reference: &$crate::bindings::Reader,
                current: &$crate::bindings::Reader,
            ) -> Result<$crate::monitoring::Report, $crate::Error> {
                $crate::monitoring::adapter::check::<$plugin>(&parameters, reference, current)
            }
        });
    };
    (feedback: $plugin:ty) => {
        $crate::__export!($plugin, Feedback, feedback, {
            fn decide(
                parameters: String,
                situation: $crate::feedback::Situation,
            ) -> Result<Vec<$crate::feedback::Action>, $crate::Error> {
                $crate::feedback::adapter::decide::<$plugin>(&parameters, situation)
            }
        });
    };
    (governance: $plugin:ty) => {
        $crate::__export!($plugin, Governance, governance, {
            fn review(
                parameters: String,
                change: $crate::governance::Change,
            ) -> Result<$crate::governance::Decision, $crate::Error> {
                $crate::governance::adapter::review::<$plugin>(&parameters, change)
            }
        });
    };
    (documentation: $plugin:ty) => {
        $crate::__export!($plugin, Documentation, documentation, {
            fn render(
                parameters: String,
                facts: String,
            ) -> Result<$crate::documentation::Documents, $crate::Error> {
                $crate::documentation::adapter::render::<$plugin>(&parameters, &facts)
            }
        });
    };
    (retirement: $plugin:ty) => {
        $crate::__export!($plugin, Retirement, retirement, {
            fn assess(
                parameters: String,
                usage: $crate::retirement::Usage,
            ) -> Result<$crate::retirement::Verdict, $crate::Error> {
                $crate::retirement::adapter::assess::<$plugin>(&parameters, usage)
            }
        });
    };
    ($kind:ident: $plugin:ty) => {
        ::core::compile_error!(::core::concat!(
            "`",
            ::core::stringify!($kind),
            "` is no kind of plugin; the kinds are ingestion, features, selection, training, evaluation, ",
            "scoring, function, monitoring, feedback, governance, documentation, retirement"
        ));
    };
}

/// One kind's exports: a private type that implements the generated trait, and
/// the cell for what `load` loaded.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $trait:ident, $kind:ident, { $($exports:item)* }) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            fn implements_the_trait_of_its_kind<T: $crate::$kind::$trait>() {}
            implements_the_trait_of_its_kind::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use ::std::{option::Option, result::Result, string::String, vec::Vec};

            struct Component;

            ::std::thread_local! {
                #[allow(dead_code)]
                static LOADED: ::core::cell::RefCell<Option<$plugin>> =
                    const { ::core::cell::RefCell::new(Option::None) };
            }

            impl $crate::bindings::$kind::exports::modelyard::lifecycle::$kind::Guest for Component {
                fn describe() -> $crate::Description {
                    $crate::panic::install();
                    <$plugin as $crate::$kind::$trait>::describe()
                }
                $($exports)*
            }

            $crate::bindings::$kind::export!(Component with_types_in $crate::bindings::$kind);
        };
    };
}
