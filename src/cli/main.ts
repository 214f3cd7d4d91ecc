#!/usr/bin/env node
// The program `cerebelum`: reads the command line, runs one command, and ends with a documented exit code. Everything
// is put together below this file and nowhere else. An error is one line, `code: message`; the stack is shown only
// with --log-level debug.

import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { z } from 'zod'
import { addArchiveCommand } from './archive-command.js'
import { addCapacityCommand } from './capacity-command.js'
import { addDeadLettersCommand } from './dead-letters-command.js'
import { addExampleCommand } from './example-command.js'
import { describeError, EXIT, exitCodeOf, exitCodeOfSignal } from './exit-codes.js'
import { isInterrupted, listenForSignals } from './interrupt.js'
import { addMigrateCommand } from './migrate-command.js'
import { addNodesCommand } from './nodes-command.js'
import { addPartitionsCommand } from './partitions-command.js'
import { addSchedulesCommand } from './schedules-command.js'
import { addServeCommand } from './serve-command.js'
import { addTraceCommand } from './trace-command.js'

const interrupt = listenForSignals()

async function main(): Promise<number> {
  let code: number = EXIT.ok
  const run = async (ends: Promise<number>): Promise<void> => {
    code = await ends
  }
  const program = new Command('cerebelum')
    .description('Durable workflows on one database: CockroachDB or PostgreSQL.')
    .version(release())
    .showHelpAfterError('(--help shows the options)')
    .exitOverride()
  addExampleCommand(program, run, interrupt)
  addServeCommand(program, run, interrupt)
  addMigrateCommand(program, run)
  addNodesCommand(program, run, interrupt)
  addPartitionsCommand(program, run)
  addSchedulesCommand(program, run)
  addDeadLettersCommand(program, run)
  addArchiveCommand(program, run)
  addCapacityCommand(program, run)
  addTraceCommand(program, run)
  try {
    await program.parseAsync()
    return code
  } catch (error) {
    return failed(error)
  }
}

function failed(error: unknown): number {
  if (isInterrupted(error) && interrupt.by !== undefined) return exitCodeOfSignal(interrupt.by)
  const fromParser = parserExitOf(error)
  if (fromParser !== undefined) return fromParser
  process.stderr.write(`${describeError(error, isDebug())}\n`)
  return exitCodeOf(error)
}

/** The parser throws to end; it has shown what there is to show. Its help is no failure. */
function parserExitOf(error: unknown): number | undefined {
  const { code, exitCode } = Object(error)
  if (typeof code !== 'string' || !code.startsWith('commander.')) return undefined
  return exitCode === 0 ? EXIT.ok : EXIT.usage
}

/** Asked of the raw command line: the error may be that the settings could not be read. */
function isDebug(): boolean {
  const at = process.argv.indexOf('--log-level')
  const flag = at === -1 ? process.env['CEREBELUM_LOG_LEVEL'] : process.argv[at + 1]
  return flag === 'debug' || process.argv.includes('--log-level=debug')
}

function release(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version
}

// `… | head` closes our output early: that is no reason to leave work undone.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

process.exitCode = await main()
// What was closed keeps nothing alive; should something do, it must not keep the program from ending.
setTimeout(() => process.exit(), 2_000).unref()
