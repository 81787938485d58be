// SPDX-License-Identifier: Apache-2.0

import Arguments
import Glibc

let yesOption = CommandOption(flag: "yes", "do it without asking")

/// What cannot be undone is asked about on a terminal, and wants --yes elsewhere: a script that runs by mistake destroys nothing.
/// Revoking a key is not among it: that has to be quick, and another key is made in a moment.
enum Confirmation {
    /// What a command line would destroy, as the end of a sentence; nil for all others.
    private static func loss(_ invocation: Invocation) -> String? {
        switch invocation.command.name {
        case "thread delete": "the thread \(invocation.operand("id") ?? "") and all that was said in it"
        case "operator remove", "user remove": "the person \(invocation.operand("id") ?? "")"
        case "provider remove-key": "the key \(invocation.operand("name") ?? "")"
        case "store slots" where invocation.operand("action") == "remove":
            "slot \(invocation.int("slot").map { "\($0)" } ?? ""), a way to unlock the store"
        default: nil
        }
    }

    static func demand(_ invocation: Invocation) throws(CommandFailure) {
        guard let loss = loss(invocation), !invocation.has("yes") else { return }
        guard isatty(0) == 1, isatty(1) == 1 else {
            throw CommandFailure(
                "this destroys \(loss), for good", hint: "if that is meant, add --yes", exitCode: 2)
        }
        Terminal.prompt("This destroys \(loss), for good. Go on? [y/N] ")
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw CommandFailure("nothing was done", hint: "y goes on")
        }
    }
}
