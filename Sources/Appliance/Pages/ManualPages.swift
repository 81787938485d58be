// SPDX-License-Identifier: Apache-2.0
// Made by packaging/pages.py of packaging/manual.

// swift-format-ignore-file

/// The pages of the manual, in their order.
enum ManualPages {
    static let all = [install, firstRequest, configuration, keys, nodes, budgets, sandbox, backup, upgrading, threatModel]
}
