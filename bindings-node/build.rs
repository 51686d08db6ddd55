//! Links the way Node loads add-ons.

fn main() {
    napi_build::setup();
}
