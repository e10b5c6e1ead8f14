//! The form of a table of fault kinds: the device has one, and so may layers in front of it whose faults are
//! written and selected in the same way.
//!
//! ```text
//!   fault_kinds! { enum { "name" Variant { field: type = default, parse, "meaning" }, request, "meaning"; .. } }
//!                ├─► the enum, with a table of all kinds in its documentation
//!                ├─► NAMES, number, name: counters, JSON, Prometheus, what simulations and sweeps go through
//!                └─► named, set, own, fields: how a kind is read, and written
//! ```

/// Declares the kinds of faults of one side once. The compiler asks for everything else that a kind needs.
///
/// A row is a name, a variant, its own fields (each with its type, its default, its parser, and its meaning),
/// whether it strikes a `request`, or `nothing` that has an operation and a size, and what happens.
#[doc(hidden)]
#[macro_export]
macro_rules! fault_kinds {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Kind:ident {
            $(
                $name:literal $Variant:ident
                $({ $($field:ident: $type:ty = $default:expr, $parse:path, $said:literal;)+ })?,
                $strikes:ident, $meaning:literal;
            )+
        }
    ) => {
        $(#[$meta])*
        ///
        /// | text | what happens | own fields |
        /// |---|---|---|
        $(#[doc = concat!("| `", $name, "` | ", $meaning, " | ",
            $($("`", stringify!($field), "`: ", $said, ". ",)+)? "|")])+
        $vis enum $Kind {
            $(
                #[doc = $meaning]
                $Variant $({ $(#[doc = $said] $field: $type,)+ })?,
            )+
        }

        impl $Kind {
            /// How many kinds there are.
            $vis const COUNT: usize = [$($name),+].len();

            /// The names of all kinds, in the order of their numbers.
            $vis const NAMES: [&'static str; Self::COUNT] = [$($name),+];

            /// All kinds, each with its defaults, in the order of their numbers.
            $vis const ALL: [Self; Self::COUNT] = [$(Self::$Variant $({ $($field: $default,)+ })?),+];

            /// The kind's place in the list of names.
            $vis const fn number(self) -> usize {
                enum Number { $($Variant,)+ }
                match self { $(Self::$Variant { .. } => Number::$Variant as usize,)+ }
            }

            /// As in a configuration.
            $vis const fn name(self) -> &'static str {
                Self::NAMES[self.number()]
            }

            /// The kind of this name, with its defaults.
            pub(super) fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|kind| kind.name() == name)
            }

            /// Sets one of the kind's own fields. `Ok(false)`: it has no such field. An error says what is
            /// allowed.
            pub(super) fn set(&mut self, name: &str, value: &str) -> Result<bool, &'static str> {
                match self {
                    $(Self::$Variant $({ $($field,)+ })? => {
                        $($(if name == stringify!($field) {
                            *$field = $parse(value)?;
                            return Ok(true);
                        })+)?
                    })+
                }
                let _ = (name, value);
                Ok(false)
            }

            /// Its own fields that differ from the default, as written.
            pub(super) fn own(&self) -> Vec<String> {
                match self {
                    $(Self::$Variant $({ $($field,)+ })? => {
                        let own: &[Option<String>] = &[$($(
                            (*$field != $default).then(|| format!("{}={}", stringify!($field), $field.said())),
                        )+)?];
                        own.iter().flatten().cloned().collect()
                    })+
                }
            }

            /// Whether it strikes a request, which has an operation and a size.
            #[allow(dead_code, reason = "where all of a table's kinds do, nothing asks")]
            pub(super) const fn strikes_request(self) -> bool {
                match self { $(Self::$Variant { .. } => $crate::fault_kinds!(@ $strikes),)+ }
            }

            /// The allowed fields, for the error about an unknown one.
            pub(super) const fn fields(self) -> &'static str {
                match self {
                    $(Self::$Variant { .. } => {
                        const OWN: &[&str] = &[$($(stringify!($field)),+)?];
                        const SHARED: &str = if $crate::fault_kinds!(@ $strikes) {
                            $crate::Selection::LISTED
                        } else {
                            $crate::Selection::LISTED_WITHOUT_REQUEST
                        };
                        const BEFORE: &str = if OWN.is_empty() { "" } else { "; " };
                        $crate::in_words!("the fields ", OWN, ", ", ", ",
                            $crate::in_words!(BEFORE, &[SHARED], "", "", ""))
                    },)+
                }
            }
        }
    };
    (@ request) => { true };
    (@ nothing) => { false };
}
