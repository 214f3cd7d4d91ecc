// Writes executions into an archive before they are removed: as lines of NDJSON, many executions in a file. What it hands
// on is in files that the sink has acknowledged, and may be removed; when the node dies in between, the next one writes
// them again, and whoever reads takes one of the two.

import { randomHex } from '../core/ports.js'
import type { ExecutionKey } from '../core/execution.js'
import type { Expired, Store } from '../store/store.js'
import { archiveName, eventLine, executionLine, packLines } from './archive-file.js'
import type { ArchiveSink } from './archive-sink.js'

export interface ArchivistOptions {
  readonly sink: ArchiveSink
  readonly store: Pick<Store, 'readHistories'>
  /** Text of one file before it is packed; default 4 MiB. */
  readonly fileCharactersMax?: number
}

const FILE_CHARACTERS_MAX = 4 * 1_048_576
/** Events read with one statement: with them and a file, this is all that is held in memory. */
const EVENTS_MAX = 500

export class Archivist {
  private readonly options: ArchivistOptions

  constructor(options: ArchivistOptions) {
    this.options = options
  }

  /** Yields those that are in the archive, file by file. @throws what the sink throws: what was not yielded stays */
  async *keep(expired: readonly Expired[]): AsyncGenerator<readonly Expired[]> {
    const { fileCharactersMax = FILE_CHARACTERS_MAX } = this.options
    let lines: string[] = []
    let characters = 0
    let whole: Expired[] = []
    for (const group of groupsOf(expired)) {
      for await (const { of, text, isLast } of this.linesOf(group)) {
        lines.push(text)
        characters += text.length
        if (isLast) whole.push(of)
        if (characters < fileCharactersMax) continue
        await this.put(of, lines)
        if (whole.length > 0) yield whole
        lines = []
        characters = 0
        whole = []
      }
    }
    const last = whole.at(-1)
    if (last === undefined) return
    await this.put(last, lines)
    yield whole
  }

  private put(last: Expired, lines: readonly string[]): Promise<void> {
    const { workflow, startedAt } = last.row
    const name = archiveName({ workflow, startedAt, random: randomHex(8) })
    return this.options.sink.put(name, packLines(lines))
  }

  /** Each execution and its events, in pages. */
  private async *linesOf(
    group: readonly Expired[],
  ): AsyncGenerator<{ readonly of: Expired; readonly text: string; readonly isLast: boolean }> {
    const { store } = this.options
    const from = group.map(({ key }): { key: ExecutionKey; from: number } => ({ key, from: 1 }))
    const histories = await store.readHistories(from, EVENTS_MAX)
    for (const [n, of] of group.entries()) {
      let events = histories[n] ?? []
      yield { of, text: executionLine(of), isLast: events.length === 0 }
      while (events.length > 0) {
        const last = events.at(-1)?.version ?? of.version
        const isEnd = events.length < EVENTS_MAX
        const next = isEnd
          ? []
          : ((await store.readHistories([{ key: of.key, from: last + 1 }], EVENTS_MAX))[0] ?? [])
        for (const event of events) {
          yield { of, text: eventLine(of, event), isLast: event.version === last && next.length === 0 }
        }
        events = next
      }
    }
  }
}

/** As many as have, together, so many events as are read at once; one that has more stands alone. */
function groupsOf(expired: readonly Expired[]): Expired[][] {
  const groups: Expired[][] = []
  let events = Infinity
  for (const one of expired) {
    events += one.version
    if (events > EVENTS_MAX) {
      groups.push([])
      events = one.version
    }
    groups.at(-1)?.push(one)
  }
  return groups
}
