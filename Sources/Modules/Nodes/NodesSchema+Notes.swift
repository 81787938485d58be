// SPDX-License-Identifier: Apache-2.0

import Core

extension NodesSchema {
    static let schema = Schema(
        .tenant, migrations,
        notes: [
            nodes, versions, threads, messages, files, chunks, remains, consents, creations, access, invocations,
        ])

    private static let nodes = TableNote(
        "nodes_nodes", kept: "until the node is deleted",
        [
            ColumnNote("id", "the node's id"),
            ColumnNote("alias", "of its alias", .configuration, .digest),
            ColumnNote("version", "the version in force"),
            ColumnNote("retention_seconds", "how long its threads are kept", .configuration),
            ColumnNote("bytes", "size of its configurations"),
            ColumnNote("created_at", "when it was made"),
            ColumnNote("updated_at", "when it was last changed"),
        ])

    private static let versions = TableNote(
        "nodes_versions", kept: "until the node is deleted",
        [
            ColumnNote("node_id", "whose version"),
            ColumnNote("version", "which"),
            ColumnNote("configuration", "alias, model, system prompt, policy, limits, tools", .configuration, .object),
            ColumnNote("created_at", "when it was made"),
            ColumnNote("created_by", "who made it: the id of a key or of a person"),
        ])

    private static let threads = TableNote(
        "nodes_threads", kept: "the retention of threads",
        [
            ColumnNote("number", "the thread's number in this file"),
            ColumnNote("id", "the thread's id"),
            ColumnNote("node_id", "the node it belongs to"),
            ColumnNote("owner", "who began it: the id of a key or of a person"),
            ColumnNote("correlation", "of its correlation id", .content, .digest),
            ColumnNote("sheet", "title and correlation id", .content, .object),
            ColumnNote("created_at", "when it was begun"),
            ColumnNote("active_at", "when something was last added"),
            ColumnNote("oldest_at", "when its oldest message is from"),
            ColumnNote("sequence", "number of its last message"),
            ColumnNote("messages", "how many it has"),
            ColumnNote("bytes", "their size"),
        ])

    private static let messages = TableNote(
        "nodes_messages", kept: "the retention of threads",
        [
            ColumnNote("place", "number of its thread, and which message of it"),
            ColumnNote("id", "the message's id"),
            ColumnNote("role", "user, assistant, system or tool"),
            ColumnNote("created_at", "when it was added"),
            ColumnNote("client", "of the client's own id for it", .content, .digest),
            ColumnNote("name", "the name of its speaker or tool", .content, .object),
            ColumnNote("content", "what was said", .content, .object),
        ])

    private static let files = TableNote(
        "nodes_files", kept: "the retention of files, or until the file expires",
        [
            ColumnNote("number", "the file's number here"),
            ColumnNote("id", "the file's id"),
            ColumnNote("owner", "who uploaded it: the id of a key or of a person"),
            ColumnNote("purpose", "what it is for, of a short list"),
            ColumnNote("sheet", "name and media type", .content, .object),
            ColumnNote("bytes", "its size"),
            ColumnNote("is_whole", "whether all of it has come"),
            ColumnNote("created_at", "when it was begun"),
            ColumnNote("expires_at", "when its owner wants it gone"),
        ])

    private static let chunks = TableNote(
        "nodes_chunks", kept: "as long as its file",
        [
            ColumnNote("place", "number of its file, and which piece of it"),
            ColumnNote("content", "64 KiB of the file", .content, .object),
        ])

    private static let remains = TableNote(
        "nodes_remains", kept: "until the rows are gone: milliseconds, or the next start after a crash",
        [
            ColumnNote("number", "the row's own"),
            ColumnNote("kind", "messages or chunks"),
            ColumnNote("first", "the first place that is still to go"),
            ColumnNote("last", "the last"),
        ])

    private static let consents = TableNote(
        "nodes_consents", kept: "until the tenant is deleted",
        [
            ColumnNote("number", "the order of the records"),
            ColumnNote("scope", "what is consented to"),
            ColumnNote("is_granted", "granted or withdrawn"),
            ColumnNote("text_version", "which text was agreed to"),
            ColumnNote("actor", "who: the id of a person or a key"),
            ColumnNote("at", "when"),
        ])

    private static let creations = TableNote(
        "nodes_creations", kept: "a day, or until what was made is deleted",
        [
            ColumnNote("key", "of an Idempotency-Key", .metadata, .digest),
            ColumnNote("body", "of the body it was sent with", .content, .digest),
            ColumnNote("object_id", "what was made"),
            ColumnNote("created_at", "when"),
        ])

    private static let access = TableNote(
        "nodes_access", kept: "until the tenant is deleted",
        [
            ColumnNote("id", "the record's id"),
            ColumnNote("at", "when an operator looked"),
            ColumnNote("actor", "which operator"),
            ColumnNote("action", "what was done"),
            ColumnNote("thread", "number of the thread"),
            ColumnNote("reason", "the reason that was given"),
        ])

    private static let invocations = TableNote(
        "nodes_invocations", kept: "a day, or until the thread or the node is deleted",
        [
            ColumnNote("id", "the receipt's id"),
            ColumnNote("node_id", "which node was asked"),
            ColumnNote("created_at", "when"),
            ColumnNote("finished_at", "when the run ended"),
            ColumnNote("code", "why it failed: a code of the closed list"),
            ColumnNote("thread_id", "the thread in which the answer stands, if it is stored"),
            ColumnNote("sequence", "which message of it"),
            ColumnNote("is_refusal", "whether the model refused"),
            ColumnNote("input_tokens", "what the provider counted"),
            ColumnNote("output_tokens", "what the provider counted"),
            ColumnNote("cost", "in nano-dollars"),
            ColumnNote("owner", "who asked: the id of a key or of a person"),
        ])
}
