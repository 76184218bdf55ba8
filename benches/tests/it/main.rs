//! What the documents show, run as it stands there.

mod posterior_doc;
