use super::*;

fn headers(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value.parse().unwrap());
    headers
}

#[test]
fn only_a_bearer_token_of_a_possible_length_is_asked_about() {
    assert_eq!(bearer(&headers("Bearer abc")), Some("abc"));
    assert_eq!(bearer(&headers("bearer abc")), Some("abc"));
    assert_eq!(bearer(&HeaderMap::new()), None);
    assert_eq!(bearer(&headers("Basic YTpi")), None);
    assert_eq!(bearer(&headers("Bearer ")), None);
    let longest = "a".repeat(LONGEST);
    assert!(bearer(&headers(&format!("Bearer {longest}"))).is_some());
    assert_eq!(bearer(&headers(&format!("Bearer {longest}a"))), None);
}

#[test]
fn a_token_is_believed_for_a_minute_and_not_longer() {
    let (mut known, now) = (Known::default(), clock::instant());
    known.keep([1; 32], now);
    assert!(known.has(&[1; 32], now + BELIEVED / 2));
    assert!(!known.has(&[2; 32], now));
    assert!(!known.has(&[1; 32], now + BELIEVED));
}

#[test]
fn the_oldest_token_makes_room() {
    let (mut known, now) = (Known::default(), clock::instant());
    let digest = |number: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    };
    for number in 0..=KNOWN {
        known.keep(digest(number), now + Duration::from_millis(number as u64));
    }
    assert_eq!(known.0.len(), KNOWN);
    let then = now + Duration::from_secs(1);
    assert!(!known.has(&digest(0), then) && known.has(&digest(KNOWN), then));
}
