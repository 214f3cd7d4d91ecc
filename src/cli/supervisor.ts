// One node per process: starts them, starts again what dies (after a delay that grows, and is short again for what had
// lived a while), and ends them all in good order. A process that cannot even start, again and again or because its
// settings are wrong, ends everything with its exit code. Nothing of a supervisor that was killed stays behind: its
// processes notice the end of their channel to it (`leaveWithParent`), drain and go.

import type { ChildProcess } from 'node:child_process'
import { z } from 'zod'
import { delay, systemClock } from '../core/ports.js'
import { EXIT } from './exit-codes.js'

export interface SupervisorOptions {
  readonly processes: number
  /** Starts process `slot` (0, 1, …) with a channel to this one. */
  readonly start: (slot: number) => ChildProcess
  /** A line for people. */
  readonly say: (text: string) => void
  /** Aborted: all are told to end. */
  readonly aborted: AbortSignal
  /** Whoever has not ended this long after it was told to is killed; default 30 s. */
  readonly graceMs?: number
}

const DELAY_MIN_MS = 250
const DELAY_MAX_MS = 30_000
/** Whoever lived this long did not die of its start. */
const LIVED_MS = 30_000
/** Starts in a row that came to nothing. */
const FAILED_STARTS_MAX = 5
/** HTTP, drain and leave have bounds of their own, 20 s together. */
const GRACE_MS = 30_000

/** Runs until it is told to end, or until a process cannot be started; the exit code. */
export async function supervise(options: SupervisorOptions): Promise<number> {
  const giveUp = new AbortController()
  const stopped = AbortSignal.any([options.aborted, giveUp.signal])
  // In the order in which they end: what could not be started comes before those that are stopped for it.
  const codes: number[] = []
  const slots = Array.from({ length: options.processes }, async (_, slot) => {
    codes.push(await keep(slot, { ...options, aborted: stopped }))
    giveUp.abort()
  })
  await Promise.all(slots)
  return codes.find((code) => code !== EXIT.ok) ?? EXIT.ok
}

/** Keeps one process going. */
async function keep(slot: number, options: SupervisorOptions): Promise<number> {
  const { aborted, say, start } = options
  let deaths = 0
  let failedStarts = 0
  while (!aborted.aborted) {
    const { code, signal, wasReady, livedMs } = await live(slot, start(slot), options)
    // One that was told to end before it listened to signals had nothing to drain.
    if (aborted.aborted)
      return code === EXIT.ok || (signal === 'SIGTERM' && !wasReady) ? EXIT.ok : EXIT.failed
    failedStarts = wasReady ? 0 : failedStarts + 1
    const isHopeless = code === EXIT.usage || code === EXIT.databaseSchema
    if (!wasReady && (isHopeless || failedStarts >= FAILED_STARTS_MAX)) {
      say(`process ${slot + 1} cannot be started; all are stopped`)
      return code === null || code === EXIT.ok ? EXIT.failed : code
    }
    deaths = livedMs >= LIVED_MS ? 0 : deaths + 1
    const waitMs = Math.min(DELAY_MIN_MS * 2 ** Math.max(0, deaths - 1), DELAY_MAX_MS)
    say(
      `process ${slot + 1} ended (${signal ?? `exit code ${String(code)}`}); it is started again in ${waitMs} ms`,
    )
    await delay(systemClock, waitMs, aborted).catch(() => undefined)
  }
  return EXIT.ok
}

interface Life {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly wasReady: boolean
  readonly livedMs: number
}

const Ready = z.object({ ready: z.string() })

function live(slot: number, child: ChildProcess, options: SupervisorOptions): Promise<Life> {
  const { aborted, say, graceMs = GRACE_MS } = options
  const begunMs = systemClock.monotonicMs()
  let wasReady = false
  let cancelKill = (): void => undefined
  const end = (): void => {
    child.kill('SIGTERM')
    cancelKill = systemClock.after(graceMs, () => child.kill('SIGKILL'))
  }
  child.on('message', (message: unknown) => {
    const told = Ready.safeParse(message)
    if (!told.success) return
    wasReady = true
    say(`process ${slot + 1}: pid ${String(child.pid)}, ${told.data.ready}`)
  })
  return new Promise((resolve) => {
    const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
      aborted.removeEventListener('abort', end)
      cancelKill()
      resolve({ code, signal, wasReady, livedMs: systemClock.monotonicMs() - begunMs })
    }
    child.once('exit', ended)
    // It could not even be made; an 'exit' may follow, or not.
    child.once('error', () => ended(EXIT.failed, null))
    if (aborted.aborted) end()
    else aborted.addEventListener('abort', end, { once: true })
  })
}

/** Called in a process of a supervisor: it ends, as by SIGTERM, when the supervisor is gone. */
export function leaveWithParent(): void {
  const leave = (): void => void process.kill(process.pid, 'SIGTERM')
  if (!process.connected) return leave()
  process.once('disconnect', leave)
  // Listening must not keep it from ending.
  process.channel?.unref()
}

/** Tells the supervisor that this process serves. */
export function tellReady(url: string): void {
  process.send?.({ ready: url })
}
