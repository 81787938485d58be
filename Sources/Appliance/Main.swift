// SPDX-License-Identifier: Apache-2.0

import Arguments
import EventLoop
import Glibc
import Sandbox
import TLS

/// The program `gatehouse`: finds the command on its line, runs it, and leaves with 0, 1 (refused or failed) or 2 (called
/// wrongly).
@main
struct Main {
    static func main() {
        // Before anything else of this program: the keeper has one thread and nothing in memory.
        if CommandLine.arguments.dropFirst().elementsEqual([Keeper.word]) { Keeper.run() }
        RecordBuffers.keep()
        LoopThread.forbidOtherTasks()
        do {
            switch try commandTable.parse(Array(CommandLine.arguments.dropFirst()), columns: Terminal.columns) {
            case .help(let text): Terminal.print(text)
            case .run(let invocation):
                do throws(CommandFailure) {
                    try run(invocation)
                } catch {
                    throw error.hinting("gatehouse \(invocation.command.name) --help")
                }
            }
        } catch let error as UsageError {
            Terminal.complain(error.description)
            exit(UsageError.exitCode)
        } catch let failure as CommandFailure {
            Terminal.complain(failure.description)
            exit(failure.exitCode)
        } catch {
            Terminal.complain("gatehouse: error: \(error)")
            exit(1)
        }
    }

    private static func run(_ invocation: Invocation) throws(CommandFailure) {
        try Confirmation.demand(invocation)
        switch invocation.command.name {
        case "serve": try serve(invocation)
        case "dev": try develop(invocation)
        case "check": try check(invocation)
        case "doctor": try DoctorCommand(invocation).run()
        case "routes": try routes(invocation)
        case "version": Terminal.print(Version.description)
        case "setup": try SetupCommand(invocation).run()
        case "completion": try ShellCommands.printCompletion(invocation)
        case "manual": ShellCommands.printManual()
        case "controls": try ControlCommands(invocation).show()
        default: try runStore(invocation)
        }
    }

    private static func runStore(_ invocation: Invocation) throws(CommandFailure) {
        switch invocation.command.name {
        case "tenant create": try TenantCommands(invocation).create()
        case "tenant list": try TenantCommands(invocation).list()
        case "tenant show": try TenantCommands(invocation).show()
        case "tenant suspend": try TenantCommands(invocation).suspend()
        case "tenant resume": try TenantCommands(invocation).resume()
        case "tenant plan": try TenantCommands(invocation).setPlan()
        case "tenant delete": try TenantCommands(invocation).delete()
        case "plan list": try PlanCommands(invocation).list()
        case "plan show": try PlanCommands(invocation).show()
        case "plan set": try PlanCommands(invocation).set()
        case "passwords import": try PasswordCommands(invocation).importRanges()
        case "store verify": try StoreFileCommands(invocation).verify()
        case "store inventory": try StoreFileCommands(invocation).inventory()
        case "backup create": try BackupCommands(invocation).create()
        case "backup list": try BackupCommands(invocation).list()
        case "backup restore": try BackupCommands(invocation).restore()
        default: try runNodes(invocation)
        }
    }

    private static func runNodes(_ invocation: Invocation) throws(CommandFailure) {
        switch invocation.command.name {
        case "sandbox check": try SandboxCommands(invocation).check()
        case "sandbox run": try SandboxCommands(invocation).run()
        case "sandbox languages": try SandboxCommands(invocation).languages()
        case "model list", "price list", "error list", "config show", "session show", "session end":
            try CatalogCommands(invocation).run()
        case "usage": try UsageCommands(invocation).show()
        case "limit show": try LimitCommands(invocation).show()
        case "limit set": try LimitCommands(invocation).setLimits()
        case "limit reset": try LimitCommands(invocation).resetLimits()
        case "budget set": try LimitCommands(invocation).setBudgets()
        case "budget reset": try LimitCommands(invocation).resetBudgets()
        case "block list": try BlockCommands(invocation).list()
        case "block set": try BlockCommands(invocation).set()
        case "block lift": try BlockCommands(invocation).lift()
        case "node list": try NodeCommands(invocation).listNodes()
        case "thread list": try NodeCommands(invocation).listThreads()
        case "thread delete": try NodeCommands(invocation).deleteThread()
        case "consent list": try NodeCommands(invocation).listConsents()
        case "consent grant": try NodeCommands(invocation).grant()
        case "consent withdraw": try NodeCommands(invocation).withdraw()
        case "break-glass": try NodeCommands(invocation).breakGlass()
        default: try runKeys(invocation)
        }
    }

    private static func runKeys(_ invocation: Invocation) throws(CommandFailure) {
        switch invocation.command.name {
        case "key create": try KeyCommands(invocation).create()
        case "key list": try KeyCommands(invocation).list()
        case "key show": try KeyCommands(invocation).show()
        case "key rotate": try KeyCommands(invocation).rotate()
        case "key block": try KeyCommands(invocation).setBlocked(true)
        case "key unblock": try KeyCommands(invocation).setBlocked(false)
        case "key revoke": try KeyCommands(invocation).revoke()
        case "provider list": try ProviderCommands(invocation).list()
        case "provider set-key": try ProviderCommands(invocation).setKey()
        case "provider remove-key": try ProviderCommands(invocation).removeKey()
        case "audit tail": try AuditCommands(invocation).tail()
        case "audit search": try AuditCommands(invocation).search()
        case "audit key": try AuditCommands(invocation).key()
        case "audit verify": try AuditFileCommands(invocation).verify()
        case "audit prove": try AuditFileCommands(invocation).prove()
        case "audit publish": try AuditFileCommands(invocation).publish()
        case "audit fsck": try AuditFileCommands(invocation).check()
        case "audit export": try AuditFileCommands(invocation).export()
        case "audit begin-anew": try AuditFileCommands(invocation).beginAnew()
        case "store status": try StoreCommands(invocation).status()
        case "store rotate": try StoreCommands(invocation).rotate()
        case "store slots": try StoreCommands(invocation).slots()
        case "store accept-restored": try StoreCommands.acceptRestored(invocation)
        case let name where name.hasPrefix("operator ") || name.hasPrefix("user "):
            try PeopleCommands(invocation).run()
        default: throw CommandFailure("the command \(invocation.command.name) does nothing", exitCode: 2)
        }
    }
}
