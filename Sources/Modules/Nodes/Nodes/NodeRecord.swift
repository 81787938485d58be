// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform

/// A node as it stands, with the configuration that is in force.
struct NodeRecord: Equatable, Sendable {
    let id: String
    var configuration: NodeConfiguration
    /// Counts from 1.
    var version: Int
    /// Bytes of the sealed configuration.
    var bytes: Int
    let createdAt: WallTime
    var updatedAt: WallTime

    static let prefix: StaticString = "node_"

    /// The object whose key seals it.
    var object: ObjectID { ObjectID(id) }

    var json: JSONObject {
        var json: JSONObject = ["id": .string(id), "object": "node"]
        for (name, value) in configuration.json.members { json.append(name, value) }
        json.append("version", .int(version))
        json.append("created_at", .string(createdAt.rfc3339))
        json.append("updated_at", .string(updatedAt.rfc3339))
        return json
    }
}

/// One of the configurations a node has had.
struct NodeVersion: Sendable {
    let nodeID: String
    let version: Int
    let configuration: NodeConfiguration
    let createdAt: WallTime
    /// The key that wrote it.
    let createdBy: String

    var json: JSONObject {
        [
            "object": "node.version",
            "node_id": .string(nodeID),
            "version": .int(version),
            "configuration": .object(configuration.json),
            "created_at": .string(createdAt.rfc3339),
            "created_by": .string(createdBy),
        ]
    }
}

/// What an operator sees of a node: nothing that somebody wrote.
struct NodeOutline: Sendable {
    let id: String
    let version: Int
    let bytes: Int
    let createdAt: WallTime
    let updatedAt: WallTime

    var json: JSONObject {
        [
            "id": .string(id), "object": "node", "version": .int(version), "bytes": .int(bytes),
            "created_at": .string(createdAt.rfc3339), "updated_at": .string(updatedAt.rfc3339),
        ]
    }
}
