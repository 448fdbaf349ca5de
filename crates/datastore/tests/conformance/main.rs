//! Conformance suite: what every driver promises, checked against a real server of each.
//!
//! The checks are generic over [`harness::Harness`]; a driver adds an implementation of it and one
//! line of [`conformance!`]. Tests of a single driver's own ways are in a folder beside this one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, their helpers included"
)]

#[path = "../kit/attempt.rs"]
mod attempt;
mod checks;
mod copies;
#[path = "../kit/disk.rs"]
#[expect(dead_code, reason = "tests/postgres needs more of it")]
mod disk;
mod etcd;
mod harness;
#[path = "../kit/kine.rs"]
#[expect(dead_code, reason = "tests/mysql and tests/postgres need more of it")]
mod kit_kine;
#[path = "../kit/records.rs"]
mod kit_records;
mod mysql;
#[path = "../mysql/server.rs"]
#[expect(dead_code, reason = "tests/mysql needs more of it")]
mod mysql_server;
mod nats;
mod nats_copies;
#[path = "../nats/server.rs"]
#[expect(dead_code, reason = "tests/nats needs more of it")]
mod nats_server;
#[path = "../kit/owner.rs"]
mod owner;
#[path = "../kit/pki.rs"]
mod pki;
#[path = "../kit/ports.rs"]
mod ports;
mod postgres;
#[path = "../postgres/server.rs"]
#[expect(dead_code, reason = "tests/postgres needs more of it")]
mod postgres_server;
#[path = "../kit/process.rs"]
mod process;
#[path = "../etcd/server.rs"]
#[expect(dead_code, reason = "tests/etcd needs more of it")]
mod server;
#[path = "../kit/tools.rs"]
mod tools;
#[path = "../kit/writers.rs"]
mod writers;

/// Makes one test per check of a driver, named `DRIVER::GROUP::CHECK`. A driver runs `every check`, or lists the
/// groups and checks that it runs, with the reason for which the others are not among them.
macro_rules! conformance {
    ($driver:ident: $harness:ty, every check) => {
        conformance! { $driver: $harness,
            ensure {
                a_new_tenant_reads_and_writes_its_own_data,
                a_second_ensure_changes_nothing,
                access_that_was_taken_from_a_tenant_is_restored,
                access_to_a_neighbour_is_revoked_and_reported,
                tenants_may_be_ensured_at_the_same_time,
                the_server_is_described_by_product_and_version,
            }
            remove {
                remove_deletes_everything_of_a_tenant_and_nothing_else,
                a_second_remove_and_that_of_an_unknown_tenant_change_nothing,
                credentials_of_a_removed_tenant_reach_nothing,
            }
            owners {
                a_second_tenant_with_the_same_schema_or_user_is_refused,
                a_namesake_of_another_management_cluster_is_refused,
                an_unrecorded_tenancy_is_taken_by_the_recorded_tenant_alone,
                records_pass_to_a_successor_and_the_predecessor_loses_them,
                one_of_many_concurrent_claims_of_a_schema_succeeds,
            }
            isolation {
                tenants_with_colliding_names_cannot_reach_each_other,
                removing_one_of_two_colliding_names_leaves_the_other,
                a_tenant_counts_its_own_data_and_no_neighbours,
                the_size_of_a_tenant_is_that_of_its_own_data,
                a_tenant_has_no_privilege_beyond_its_own_data,
            }
            crashes {
                ensure_completes_whatever_part_is_missing,
                remove_completes_whatever_part_is_missing,
                a_dropped_call_is_completed_by_the_next,
            }
        }
    };
    ($driver:ident: $harness:ty, $($group:ident { $($check:ident),+ $(,)? })+) => {
        mod $driver {
            $(mod $group {
                $(#[tokio::test]
                async fn $check() {
                    crate::checks::$group::$check::<$harness>().await;
                })+
            })+
        }
    };
}

/// Makes one test per check of transfers of a driver.
macro_rules! transfers {
    ($driver:ident: $harness:ty, every check) => {
        conformance! { $driver: $harness, transfer {
            a_copy_equals_its_source_and_touches_no_neighbour,
            a_fenced_tenant_does_not_write_until_the_fence_is_lifted,
            a_finished_transfer_goes_on_above_its_floor,
            changes_are_followed_from_a_revision_on,
            data_without_the_tenants_owner_record_is_not_transferred,
            operations_have_one_outcome_however_often_they_are_applied,
            what_was_written_is_read_in_pages_and_by_key,
            single_keys_are_read_within_the_bytes_of_a_batch,
            a_fence_is_lifted_by_the_attempt_that_noted_it_alone,
            a_writer_whose_place_was_taken_writes_nothing_more,
            a_writer_that_stood_still_while_another_began_writes_nothing_later,
        } }
    };
}

transfers! { etcd_transfers: crate::etcd::EtcdHarness, every check }
transfers! { mysql_transfers: crate::mysql::MySqlHarness, every check }
transfers! { postgres_transfers: crate::postgres::PostgresHarness, every check }
// An account of NATS has no neighbours.
conformance! { nats_transfers: crate::nats::NatsHarness, transfer {
    a_fenced_tenant_does_not_write_until_the_fence_is_lifted,
    a_fence_is_lifted_by_the_attempt_that_noted_it_alone,
    a_finished_transfer_goes_on_above_its_floor,
    changes_are_followed_from_a_revision_on,
    data_without_the_tenants_owner_record_is_not_transferred,
    operations_have_one_outcome_however_often_they_are_applied,
    what_was_written_is_read_in_pages_and_by_key,
    single_keys_are_read_within_the_bytes_of_a_batch,
    a_writer_whose_place_was_taken_writes_nothing_more,
    a_writer_that_stood_still_while_another_began_writes_nothing_later,
} }

conformance! { on_etcd: crate::etcd::EtcdHarness, every check }
conformance! { on_mysql: crate::mysql::MySqlHarness, every check }
conformance! { on_postgres: crate::postgres::PostgresHarness, every check }

// All users of a NATS account reach all of its buckets, so that an account serves one tenant: the checks with a
// neighbour in the same datastore, or with credentials of a tenant's own, have no meaning. tests/nats shows that
// a second tenant is refused and that nothing of the first is touched. `ensure_completes_whatever_part_is_missing`
// expects data to outlive what is missing, and a bucket is its data; tests/nats completes a call without data.
conformance! { on_nats: crate::nats::NatsHarness,
    ensure {
        a_new_tenant_reads_and_writes_its_own_data,
        a_second_ensure_changes_nothing,
        the_server_is_described_by_product_and_version,
    }
    remove {
        a_second_remove_and_that_of_an_unknown_tenant_change_nothing,
    }
    owners {
        a_second_tenant_with_the_same_schema_or_user_is_refused,
        a_namesake_of_another_management_cluster_is_refused,
        an_unrecorded_tenancy_is_taken_by_the_recorded_tenant_alone,
        records_pass_to_a_successor_and_the_predecessor_loses_them,
        one_of_many_concurrent_claims_of_a_schema_succeeds,
    }
    crashes {
        remove_completes_whatever_part_is_missing,
        a_dropped_call_is_completed_by_the_next,
    }
}
