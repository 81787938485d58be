// SPDX-License-Identifier: Apache-2.0

/// The command line `gatehouse`.
@main
struct Main {
    static func main() {}
}
