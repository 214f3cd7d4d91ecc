// A TypeScript file run as a process of its own, for those who crash, stall or stop it: `kill` is a true SIGKILL to the
// process that runs the code (no wrapper in between), `stall` a SIGSTOP. It may be used outside of the test runner;
// tests use `node-process.ts`, which leaves none behind.

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { eventually } from './wait.js'

export interface ChildNodeOptions {
  /** The file: .ts runs under tsx, .js under plain node. */
  readonly file: string | URL
  readonly args?: readonly string[]
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** As root only: run as this user. */
  readonly uid?: number
  readonly gid?: number
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface NodeProcess {
  readonly pid: number
  /** Resolves when it has ended, however it ended. */
  readonly exited: Promise<Exit>
  isRunning(): boolean
  /** Standard output and standard error so far, in the order of arrival. */
  output(): string
  /** Waits until the output matches, and gives the match; fails with the output when it ends before. */
  waitForOutput(
    pattern: string | RegExp,
    options?: { readonly deadlineMs?: number },
  ): Promise<RegExpMatchArray>
  /** Default SIGKILL; waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<Exit>
  /** SIGSTOP: it stands still with all its connections and claims until `resume`. */
  stall(): void
  resume(): void
  writeLine(line: string): void
}

/** Whoever starts it ends it. */
export function startChildNode(options: ChildNodeOptions): NodeProcess {
  const file = options.file instanceof URL ? fileURLToPath(options.file) : options.file
  const loader = /\.[mc]?ts$/.test(file) ? ['--import', import.meta.resolve('tsx')] : []
  const child = spawn(process.execPath, [...loader, file, ...(options.args ?? [])], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  })
  return follow(child)
}

function follow(child: ChildProcess): NodeProcess {
  let output = ''
  let exit: Exit | undefined
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text))
  // A write to a process that is gone is no news: `exited` tells it.
  child.stdin?.on('error', () => undefined)
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error) => {
      output += `could not be started: ${error.message}\n`
      exit ??= { code: null, signal: null }
      resolve(exit)
    })
    child.once('close', (code, signal) => {
      exit ??= { code, signal }
      resolve(exit)
    })
  })
  const running: NodeProcess = {
    pid: child.pid ?? -1,
    exited,
    isRunning: () => exit === undefined,
    output: () => output,
    async waitForOutput(pattern, { deadlineMs = 30_000 } = {}) {
      const found = await eventually(
        () => output.match(pattern) ?? (exit === undefined ? null : { ended: exit }),
        { deadlineMs, what: `output ${String(pattern)} of process ${running.pid}` },
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}\n--- output ---\n${output}`, { cause: error })
      })
      if ('ended' in found) {
        throw new Error(
          `process ended (${JSON.stringify(exit)}) before ${String(pattern)}\n--- output ---\n${output}`,
        )
      }
      return found
    },
    kill(signal = 'SIGKILL') {
      if (exit === undefined) child.kill(signal)
      return exited
    },
    stall: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    writeLine: (line) => void child.stdin?.write(`${line}\n`),
  }
  return running
}
