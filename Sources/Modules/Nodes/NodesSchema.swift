// SPDX-License-Identifier: Apache-2.0
//
// The tables of a tenant's database that this module owns. Ids, sizes and times stand in columns, so that lists, limits and
// the sweeper need no key; what somebody wrote or named (configurations, titles, names, correlation ids, content, file
// names) is sealed with the key of the object it belongs to, and found again by keyed digests.
//
//     nodes_nodes        one row a node; `alias` is a digest
//     nodes_versions     every configuration a node has had, sealed with the node's key
//     nodes_threads      one row a thread; `sheet` is its title and correlation id, sealed
//     nodes_messages     at place = thread's number << 24 | sequence, so that a thread lies together in the file
//     nodes_files        one row a file; `sheet` is its name and media type, sealed
//     nodes_chunks       64 KiB each, at place = file's number << 24 | index, sealed with index and last flag
//     nodes_remains      places of what was deleted and erased, whose rows are still to go
//     nodes_consents     what was granted and withdrawn, only ever added to
//     nodes_invocations  asynchronous runs: ids, times, error codes; where the answer stands, if it is stored
//     nodes_creations    digests of Idempotency-Keys, and the ids that came of them
//     nodes_access       when an operator read content
//
// Numbers of threads and files are never used twice (AUTOINCREMENT): remains of a deleted one cannot meet a new one.

import SQLite

enum NodesSchema {
    static let migrations = SQLiteMigrations(
        module: "nodes",
        steps: [
            """
            CREATE TABLE nodes_nodes (
                id TEXT NOT NULL PRIMARY KEY,
                alias BLOB NOT NULL UNIQUE CHECK (length(alias) = 16),
                version INTEGER NOT NULL,
                retention_seconds INTEGER,
                bytes INTEGER NOT NULL,
                created_at INTEGER NOT NULL,
                updated_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE nodes_versions (
                node_id TEXT NOT NULL,
                version INTEGER NOT NULL,
                configuration BLOB NOT NULL,
                created_at INTEGER NOT NULL,
                created_by TEXT NOT NULL,
                PRIMARY KEY (node_id, version)
            ) STRICT;
            CREATE TABLE nodes_threads (
                number INTEGER PRIMARY KEY AUTOINCREMENT CHECK (number BETWEEN 1 AND 549755813887),
                id TEXT NOT NULL UNIQUE,
                node_id TEXT,
                owner TEXT NOT NULL,
                correlation BLOB CHECK (correlation IS NULL OR length(correlation) = 16),
                sheet BLOB NOT NULL,
                created_at INTEGER NOT NULL,
                active_at INTEGER NOT NULL,
                oldest_at INTEGER NOT NULL,
                sequence INTEGER NOT NULL,
                messages INTEGER NOT NULL,
                bytes INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX nodes_threads_node ON nodes_threads (node_id, id);
            CREATE INDEX nodes_threads_node_age ON nodes_threads (node_id, oldest_at) WHERE node_id IS NOT NULL;
            CREATE INDEX nodes_threads_age ON nodes_threads (oldest_at);
            CREATE INDEX nodes_threads_correlation ON nodes_threads (correlation, id) WHERE correlation IS NOT NULL;
            CREATE TABLE nodes_messages (
                place INTEGER PRIMARY KEY,
                id TEXT NOT NULL,
                role TEXT NOT NULL,
                created_at INTEGER NOT NULL,
                client BLOB CHECK (client IS NULL OR length(client) = 16),
                name BLOB,
                content BLOB NOT NULL
            ) STRICT;
            CREATE UNIQUE INDEX nodes_messages_client ON nodes_messages (client) WHERE client IS NOT NULL;
            CREATE TABLE nodes_files (
                number INTEGER PRIMARY KEY AUTOINCREMENT CHECK (number BETWEEN 1 AND 549755813887),
                id TEXT NOT NULL UNIQUE,
                owner TEXT NOT NULL,
                purpose TEXT NOT NULL,
                sheet BLOB,
                bytes INTEGER NOT NULL,
                is_whole INTEGER NOT NULL,
                created_at INTEGER NOT NULL,
                expires_at INTEGER
            ) STRICT;
            CREATE INDEX nodes_files_whole ON nodes_files (is_whole, id);
            CREATE INDEX nodes_files_purpose ON nodes_files (is_whole, purpose, id);
            CREATE INDEX nodes_files_age ON nodes_files (created_at);
            CREATE INDEX nodes_files_expiry ON nodes_files (expires_at) WHERE expires_at IS NOT NULL;
            CREATE TABLE nodes_chunks (
                place INTEGER PRIMARY KEY,
                content BLOB NOT NULL
            ) STRICT;
            CREATE TABLE nodes_remains (
                number INTEGER PRIMARY KEY,
                kind TEXT NOT NULL,
                first INTEGER NOT NULL,
                last INTEGER NOT NULL
            ) STRICT;
            CREATE TABLE nodes_consents (
                number INTEGER PRIMARY KEY,
                scope TEXT NOT NULL,
                is_granted INTEGER NOT NULL,
                text_version TEXT NOT NULL,
                actor TEXT NOT NULL,
                at INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX nodes_consents_scope ON nodes_consents (scope, number);
            CREATE TRIGGER nodes_consents_update BEFORE UPDATE ON nodes_consents
                BEGIN SELECT RAISE(ABORT, 'consents are only added to'); END;
            CREATE TRIGGER nodes_consents_delete BEFORE DELETE ON nodes_consents
                BEGIN SELECT RAISE(ABORT, 'consents are only added to'); END;
            CREATE TABLE nodes_creations (
                key BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 16),
                body BLOB NOT NULL CHECK (length(body) = 16),
                object_id TEXT NOT NULL,
                created_at INTEGER NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX nodes_creations_age ON nodes_creations (created_at);
            CREATE INDEX nodes_creations_object ON nodes_creations (object_id);
            CREATE TABLE nodes_access (
                id TEXT NOT NULL PRIMARY KEY,
                at INTEGER NOT NULL,
                actor TEXT NOT NULL,
                action TEXT NOT NULL,
                thread INTEGER NOT NULL,
                reason TEXT NOT NULL
            ) STRICT, WITHOUT ROWID;
            """,
            """
            CREATE TABLE nodes_invocations (
                id TEXT NOT NULL PRIMARY KEY,
                node_id TEXT NOT NULL,
                created_at INTEGER NOT NULL,
                finished_at INTEGER,
                code TEXT,
                thread_id TEXT,
                sequence INTEGER,
                is_refusal INTEGER,
                input_tokens INTEGER,
                output_tokens INTEGER,
                cost INTEGER
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX nodes_invocations_age ON nodes_invocations (created_at);
            CREATE INDEX nodes_invocations_node ON nodes_invocations (node_id);
            CREATE INDEX nodes_invocations_thread ON nodes_invocations (thread_id) WHERE thread_id IS NOT NULL;
            """,
            // Since people have threads and files too, and see their own.
            """
            CREATE INDEX nodes_threads_owner ON nodes_threads (owner, id);
            CREATE INDEX nodes_files_owner ON nodes_files (owner, is_whole, id);
            ALTER TABLE nodes_invocations ADD COLUMN owner TEXT;
            """,
        ])
}

/// Where the rows of one thread or file lie: 39 bits of its number, 24 of their own.
enum Place {
    static func of(_ number: Int, _ index: Int) -> Int { number << 24 | index & 0xFF_FFFF }

    /// The first and the last place of a number.
    static func bounds(_ number: Int) -> (first: Int, last: Int) { (of(number, 0), of(number, 0xFF_FFFF)) }

    static func index(_ place: Int) -> Int { place & 0xFF_FFFF }
}
