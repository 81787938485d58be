// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP
package import JSON

/// The document at `/openapi.json` (OpenAPI 3.1.0), made from the routes that are registered, so that it cannot drift from
/// what is served. Every operation carries `x-guard`.
package enum OpenAPI {
    /// The document for a set of routes.
    package static func document(of routes: [Route], version: String) -> JSONValue {
        var paths = JSONObject()
        for route in routes {
            let name = path(of: route.pattern)
            var path = paths[name]?.object ?? JSONObject()
            path[route.method.name.asciiLowercased] = operation(route)
            paths[name] = .object(path)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Gatehouse",
                "version": .string(version),
                "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
            ],
            "paths": .object(paths),
            "components": [
                "securitySchemes": [
                    "bearer": ["type": "http", "scheme": "bearer"],
                    "x-api-key": ["type": "apiKey", "in": "header", "name": "x-api-key"],
                    "api-key": ["type": "apiKey", "in": "header", "name": "api-key"],
                    "cookie": ["type": "apiKey", "in": "cookie", "name": .string(SessionCookie.access)],
                ],
                "schemas": ["Error": houseError, "AnthropicError": anthropicError],
            ],
        ]
    }

    private static func operation(_ route: Route) -> JSONValue {
        var operation: JSONObject = [
            "operationId": .string(operationID(route)),
            "summary": .string(route.summary),
            "x-guard": .string(route.guard.name),
        ]
        if case .public(let why) = route.guard {
            operation["x-guard-reason"] = .string(why)
            operation["security"] = []
        } else {
            operation["security"] = .array(
                [["bearer": []]] + (route.guard.takesKeys ? [["x-api-key": []], ["api-key": []]] : [])
                    + (route.guard.takesSessions ? [["cookie": []]] : []))
        }
        let names = parameterNames(path(of: route.pattern))
        if !names.isEmpty {
            operation["parameters"] = .array(
                names.map { name in
                    ["name": .string(name), "in": "path", "required": true, "schema": ["type": "string"]]
                })
        }
        if let schema = route.requestBody {
            operation["requestBody"] = [
                "required": true, "content": ["application/json": ["schema": schema]],
            ]
        }
        let error = route.shape == .anthropic ? "AnthropicError" : "Error"
        operation["responses"] = [
            "200": ["description": "the answer"],
            "default": [
                "description": "a refusal or failure",
                "content": [
                    "application/json": ["schema": ["$ref": .string("#/components/schemas/\(error)")]]
                ],
            ],
        ]
        return .object(operation)
    }

    /// `POST /v1/chat/completions` → `post_v1_chat_completions`.
    private static func operationID(_ route: Route) -> String {
        let words = route.pattern.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        return ([route.method.name.asciiLowercased] + words.map(String.init)).joined(separator: "_")
    }

    private static func parameterNames(_ pattern: String) -> [String] {
        pattern.split(separator: "/").compactMap { part in
            part.hasPrefix("{") && part.hasSuffix("}") ? String(part.dropFirst().dropLast()) : nil
        }
    }

    /// The router's `{id...}` (the rest of the path) is OpenAPI's `{id}`, which knows no rest.
    package static func path(of pattern: String) -> String {
        pattern.hasSuffix("...}") ? String(pattern.dropLast("...}".count)) + "}" : pattern
    }

    private static let houseError: JSONValue = [
        "type": "object",
        "required": ["error"],
        "properties": [
            "error": [
                "type": "object",
                "required": ["message", "type", "code", "param", "request_id"],
                "properties": [
                    "message": ["type": "string"],
                    "type": ["type": "string"],
                    "code": ["type": "string", "enum": .array(ErrorCode.allCases.map { .string($0.rawValue) })],
                    "param": ["type": ["string", "null"]],
                    "request_id": ["type": "string"],
                ],
            ]
        ],
    ]

    private static let anthropicError: JSONValue = [
        "type": "object",
        "required": ["type", "error", "request_id"],
        "properties": [
            "type": ["const": "error"],
            "error": [
                "type": "object",
                "required": ["type", "message"],
                "properties": ["type": ["type": "string"], "message": ["type": "string"]],
            ],
            "request_id": ["type": "string"],
        ],
    ]
}
