use super::*;

fn headers(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value.parse().unwrap());
    headers
}

#[test]
fn only_a_bearer_token_of_an_allowed_length_is_accepted() {
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
fn an_authorized_token_is_cached_for_a_minute_and_not_longer() {
    let (mut cache, now) = (TokenCache::default(), clock::instant());
    cache.insert([1; 32], now);
    assert!(cache.contains(&[1; 32], now + CACHE_TIME / 2));
    assert!(!cache.contains(&[2; 32], now));
    assert!(!cache.contains(&[1; 32], now + CACHE_TIME));
}

#[test]
fn the_oldest_token_is_evicted() {
    let (mut cache, now) = (TokenCache::default(), clock::instant());
    let digest = |number: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    };
    for number in 0..=CACHE_SIZE {
        cache.insert(digest(number), now + Duration::from_millis(number as u64));
    }
    assert_eq!(cache.0.len(), CACHE_SIZE);
    let then = now + Duration::from_secs(1);
    assert!(!cache.contains(&digest(0), then) && cache.contains(&digest(CACHE_SIZE), then));
}
