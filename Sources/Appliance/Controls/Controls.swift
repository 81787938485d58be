// SPDX-License-Identifier: Apache-2.0

/// Every promise of this version, in the order in which people read them. A test compares it with the list of rows that there
/// have to be, and each name of a test with the tests that there are.
enum Controls {
    static let all = data + transport + who + spending + rest

    private static let often = Duration.seconds(15 * 60)
    /// What takes the server some work.
    private static let daily = Duration.seconds(24 * 3600)

    private static let data: [Control] = [
        Control(
            "D1", .data, "No prompt, answer or file is on the disk without consent.",
            .tests([
                "Clients/test_sweep.py::test_without_consent_no_content_is_stored",
                "Clients/test_sweep.py::test_the_sweep_finds_what_lies_in_a_file",
                "Clients/test_node_chat.py::test_without_consent_nothing_reaches_the_disk",
            ])),
        Control(
            "D2", .data,
            "Consent is a record of who gave it to what and when; it can be withdrawn, and reaches nothing from before.",
            in: "nodes",
            .tests([
                "Clients/test_sweep.py::test_consent_is_asked_for_and_ends",
                "Clients/test_account.py::test_consents_are_given_by_an_admin_and_nobody_else",
            ])),
        Control(
            "D3", .data, "A request that says so is not stored, whatever was agreed to.",
            .tests(["Clients/test_sweep.py::test_zero_retention_wins_over_consent_on_every_route"])),
        Control(
            "D4", .data, "Whatever is stored is sealed with AES-256, names and indexes included.", in: "store",
            .live(every: often, Probes.sealedPages)),
        Control(
            "D5", .data, "Root, tenant, page and object keys are renewed while the server serves.", in: "store",
            .tests([
                "Clients/test_store.py::test_every_kind_of_key_is_renewed_under_load",
                "Clients/test_store.py::test_a_renewal_that_is_killed_is_finished",
            ])),
        Control(
            "D6", .data, "What has outlived its time is deleted: the shortest term of plan, tenant and node holds.",
            in: "nodes",
            .tests([
                "NodesTests/RetentionTests.swift::after 29 days and 23 hours everything is there, after 30 days and an hour nothing",
                "NodesTests/RetentionTests.swift::raising it brings nothing back",
            ])),
        Control(
            "D7", .data,
            "What is deleted is gone, from every file and, after the next change of keys, from every copy.",
            in: "store",
            .tests([
                "Clients/test_sweep.py::test_what_is_deleted_is_gone_from_every_file",
                "Clients/test_backup.py::test_what_was_deleted_after_a_backup_stays_deleted",
            ])),
        Control(
            "D8", .data, "A tenant reaches only its own.", in: "nodes", .live(every: daily, Probes.isolation)),
        Control(
            "D9", .data, "Every route is tried with another tenant's ids, those included that nobody thought of.",
            .tests([
                "ApplianceTests/IsolationTests.swift::no route takes one tenant to another's data",
                "ApplianceTests/IsolationTests.swift::a store that opens the wrong tenant's database is found, route by route",
                "ApplianceTests/IsolationTests.swift::every row of the table is a route of the server",
                "ApplianceTests/PeopleIsolationTests.swift::an owner reaches nobody of another tenant",
            ])),
        Control(
            "D11", .data, "Nothing leaves for training: providers are told not to store.", in: "gateway",
            .tests([
                "Clients/test_training.py::test_openai_is_told_not_to_store",
                "Clients/test_training.py::test_a_client_cannot_have_it_stored",
            ])),
        Control(
            "D12", .data, "What is stored is listed, column by column.", in: "store",
            .live(every: often, Probes.inventory)),
    ]

    private static let transport: [Control] = [
        Control(
            "T1", .transport,
            "Old versions of TLS and weak ciphers are not spoken, and nothing is said to a provider that does not prove who it is.",
            .live(every: often, Probes.oldTLS),
            rest: [
                "Clients/test_outbound.py::test_nothing_is_said_to_a_provider_that_does_not_prove_itself",
                "Clients/test_tls.py::test_testssl_objects_to_nothing",
            ]),
        Control(
            "T2", .transport, "Plain HTTP leads to HTTPS and does nothing else.", .live(every: often, Probes.plainHTTP)),
        Control(
            "T3", .transport, "Security headers stand on every answer, errors included.",
            .live(every: often, Probes.securityFields)),
        Control(
            "T4", .transport, "Pages of other origins read no answer.", .live(every: often, Probes.foreignOrigins)),
        Control(
            "T5", .transport, "Requests with two readings are refused, and slow clients stop nobody.",
            .tests([
                "Clients/test_malformed.py::test_it_is_refused_and_nothing_behind_it_is_served",
                "Clients/test_slow.py::test_healthy_clients_hardly_notice",
            ])),
        Control(
            "T6", .transport, "Every input is checked for shape, size and depth before anything is done with it.",
            .tests([
                "Clients/test_input.py::test_no_request_at_random_is_a_failure_of_the_server",
                "Clients/test_input.py::test_an_operator_is_no_id",
                "Clients/test_differential.py::test_what_has_two_readings_or_none_is_refused",
            ])),
        Control(
            "T7", .transport, "A certificate is replaced without a dropped connection.",
            .tests(["Clients/test_certificates.py::test_each_way_of_replacing_it_under_load"])),
    ]

    private static let who: [Control] = [
        Control(
            "W1", .who, "API keys are kept as digests, shown once, and open what they were made for.", in: "auth",
            .tests([
                "Clients/test_secrets.py::test_our_keys_stand_nowhere_on_disk",
                "ApplianceTests/GuardAuditTests.swift::a key opens the routes of its scopes, a session those of its role, and no other",
                "ApplianceTests/KeyBoundTests.swift::what a key is bound to holds from the next request on",
            ])),
        Control(
            "W2", .who, "A key is rotated without a failed request, and revoked at once, open streams included.",
            in: "auth",
            .tests([
                "Clients/test_key_management.py::test_no_request_fails_while_a_key_is_rotated_again_and_again_under_load",
                "Clients/test_key_management.py::test_open_streams_end_when_their_key_does",
                "ApplianceTests/KeyBoundTests.swift::a revocation is seen on every connection",
            ])),
        Control(
            "W3", .who, "Every route has a guard, and the guard holds.", .live(every: often, Probes.guards)),
        Control(
            "W4", .who, "Sessions are short, signed, and over when they are ended; forged ones open nothing.",
            in: "auth",
            .live(every: often, Probes.forgedSessions)),
        Control(
            "W5", .who,
            "Passwords are hashed with scrypt, and those that everybody has are refused, without a network too.",
            in: "auth",
            .tests([
                "Clients/test_people.py::test_what_everybody_has_is_refused_without_a_network",
                "Clients/test_people.py::test_a_range_service_is_told_five_characters_and_may_be_away",
                "ApplianceTests/WeakPasswordTests.swift::what everybody has is refused with nobody to ask, in whatever dress",
            ])),
        Control(
            "W6", .who,
            "A second factor works once, locks against guessing, and is asked for before an account is deleted.",
            in: "auth",
            .tests([
                "Clients/test_people.py::test_of_twenty_with_one_code_one_is_let_in",
                "Clients/test_people.py::test_wrong_codes_lock_the_codes_and_not_the_recovery_codes",
                "Clients/test_account.py::test_deletion_takes_an_owner_with_both_factors_and_leaves_nothing",
                "ApplianceTests/SecondFactorTests.swift::of twenty at once with one code one gets in, and a server that forgets is found",
            ])),
        Control(
            "W9", .who, "Logs hold no secret and no personal data.",
            .tests([
                "Clients/test_masking.py::test_no_way_in_leads_to_the_log",
                "Clients/test_masking.py::test_the_search_finds_what_a_log_without_masks_shows",
            ])),
    ]

    private static let spending: [Control] = [
        Control(
            "S1", .spending,
            "Requests are limited by key, tenant, address and node, in any rolling hour, also over a restart.",
            in: "limiter",
            .tests([
                "Clients/test_keys.py::test_the_count_is_exact_under_200_at_once",
                "Clients/test_limits.py::test_a_restart_forgets_nothing_of_the_rolling_hour",
                "ApplianceTests/GuardTests.swift::the limit counts a key's requests, and a server without the limiter fails that proof",
            ])),
        Control(
            "S2", .spending, "A budget of money or tokens is held back before a call and settled after it.",
            in: "limiter",
            .tests([
                "Clients/test_limits.py::test_of_many_at_once_on_a_budget_for_one_the_upstream_sees_one",
                "Clients/test_limits.py::test_a_crash_in_flight_leaves_the_reservation_and_loses_no_nano_dollar",
            ])),
        Control(
            "S3", .spending, "Whoever misbehaves is kept out for a while, and nobody beside.", in: "limiter",
            .tests([
                "Clients/test_blocks.py::test_bad_keys_block_and_neighbours_go_on_through_a_restart_and_a_kill_until_it_is_lifted"
            ])),
        Control(
            "S4", .spending,
            "A provider that fails is left alone until it has healed, and asked again within a budget.",
            in: "gateway",
            .tests([
                "Clients/test_breaker.py::test_a_provider_that_fails_is_left_alone_until_it_has_healed",
                "Clients/test_retries.py::test_a_provider_that_fails_gets_a_tenth_more_and_not_three_times_as_much",
            ])),
        Control(
            "S8", .spending, "Usage is counted exactly, through retries, errors and crashes.", in: "audit",
            .tests([
                "Clients/test_usage.py::test_usage_is_the_providers_own_count_through_restarts_and_kills"
            ])),
    ]

    private static let rest: [Control] = [
        Control(
            "C1", .code, "Code runs alone: no network, no file of the host's but its programs, no privilege.",
            in: "sandbox", .live(every: often, Probes.sandbox)),
        Control(
            "C2", .code, "Time, memory, processes, files and output of a run are limited, and nothing is left of it.",
            in: "sandbox",
            .tests([
                "Clients/test_sandbox.py::test_outcome",
                "Clients/test_sandbox_faults.py::test_nothing_is_left_on_the_host",
            ])),
        Control(
            "R1", .record,
            "Every exchange and every act of an operator is written down before it happens, without content.",
            in: "audit",
            .tests([
                "Clients/test_audit.py::test_on_a_full_disk_nothing_is_asked_and_space_is_noticed",
                "ApplianceTests/AuditRouteTests.swift::an exchange has one intent and one outcome, and a server without the stage has none",
            ])),
        Control(
            "R2", .record, "The record is as it was written: nothing was changed, cut or reordered.", in: "audit",
            .live(every: daily, Probes.auditChain)),
        Control(
            "R3", .record, "Refusals are written down with their reason and can be reviewed.", in: "audit",
            .tests([
                "ApplianceTests/AuditRouteTests.swift::a refusal is one record with its stage, code and rule",
                "ApplianceTests/AuditRouteTests.swift::a tenant sees its own records, and says what it thinks of a refusal",
            ])),
        Control(
            "R4", .record, "An older copy of a database that is put back is noticed.", in: "store",
            .tests([
                "Clients/test_store.py::test_an_older_copy_of_a_file_is_named_at_the_start",
                "Clients/test_store.py::test_an_older_copy_of_a_tenants_file_is_named_and_not_served",
            ])),
        Control(
            "H1", .house, "Files, keys and memory of the server are closed to everybody else.",
            .live(every: often, Probes.closedHouse)),
        Control(
            "H7", .house, "Providers' keys are written and never read: no answer, no log and no error repeats one.",
            in: "gateway",
            .tests([
                "Clients/test_secrets.py::test_the_providers_key_stays_out_of_answers",
                "Clients/test_store.py::test_a_provider_key_is_written_and_never_read",
            ])),
    ]
}
