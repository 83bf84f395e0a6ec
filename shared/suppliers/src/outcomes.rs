//! What a reply means, as data: looked up exactly, and what is not listed is unknown.
