//! Transcripts recorded from a real server, and what another vendor does.

use crate::Dialect;
use crate::testing::Session;

#[test]
fn transcripts_of_a_real_server() {
    Session::new().transcript(include_str!("../../tests/transcripts/geo.txt"));
    Session::new().transcript(include_str!("../../tests/transcripts/geo_ties.txt"));
}

#[test]
fn valkey_searches_in_polygons() {
    let session = Session { dialect: Dialect::valkey(9, 1), ..Session::new() };
    session.transcript(
        "> GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
         < :2|
         > GEOSEARCH g BYPOLYGON 3 12 36 16 36 15 39 WITHDIST
         < *1|*2|$7|Catania|$10|86805.2558|
         > GEOSEARCHSTORE d g BYPOLYGON 3 12 36 16 36 15 39
         < :1|
         > GEOSEARCH g BYPOLYGON 2 0 0 1 1 ASC
         < -ERR GEOSEARCH BYPOLYGON must have at least 3 vertices|
         > GEOSEARCH g BYPOLYGON x 0 0 1 1 2 2
         < -ERR invalid number of vertices|
         > GEOSEARCH g BYPOLYGON 3 0 0 1 1 2 2 FROMMEMBER Palermo
         < -ERR syntax error|
         > GEOSEARCH g FROMMEMBER nothing BYRADIUS 1 km
         < -ERR member nothing does not exist|
         > GEOPOS g Palermo
         < *1|*2|$20|13.36138933897018433|$20|38.11555639549629859|",
    );
}
