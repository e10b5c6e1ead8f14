//! The one table of algorithms: operation, names, properties and functions.
