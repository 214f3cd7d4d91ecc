// The archive: what is removed can be read back as it was, whatever died in between, and nothing is removed that the
// archive does not have.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { errorCode } from '../../src/core/errors.js'
import type { Event } from '../../src/core/event.js'
import type { ArchiveSink } from '../../src/retention/archive-sink.js'
import { Archivist } from '../../src/retention/archivist.js'
import { fileArchive } from '../../src/retention/file-archive.js'
import { openArchive } from '../../src/retention/open-archive.js'
import type { Expired } from '../../src/store/store.js'
import { databaseUrl } from '../support/database.js'
import { useEngine } from '../support/engine.js'
import { findViolations } from '../support/invariants.js'
import { startNodeProcess } from '../support/node-process.js'
import { runProgram } from '../support/program.js'
import { eventually } from '../support/wait.js'
import { archivedWorkflow } from './fixtures/archived.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cerebelum-archive-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('an archive of an engine', () => {
  const using = useEngine([archivedWorkflow], { retention: '30 days' })

  async function run(name: string, count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, (_, n) => `${name}-${n}`)
    await Promise.all(
      ids.map(async (id, n) => (await using.client.start(archivedWorkflow, { n }, { id })).result()),
    )
    const sql = using.database.connect({ max: 1 })
    await sql`
      update executions set started_at = started_at - interval '31 days', closed_at = closed_at - interval '31 days'`
    await sql`update retention set due_at = now()`
    await sql.end()
    return ids
  }

  async function countOf(ids: readonly string[]): Promise<number> {
    const { executions } = await using.client.list({ limit: 1_000 })
    return executions.filter(({ executionId }) => ids.includes(executionId)).length
  }

  async function untilGone(ids: readonly string[], options: { archive: ArchiveSink }): Promise<void> {
    const node = await using.join({ ...options, retention: '28 days' })
    await eventually(async () => (await countOf(ids)) === 0, { what: 'the removal', deadlineMs: 30_000 })
    await node.stop()
    const { removed, archived } = node.stats()
    expect([removed, archived]).toEqual([ids.length, ids.length])
  }

  test('gives back what an execution was, by the library and by the program', async () => {
    const ids = await run('whole', 20)
    const before = await using.events('whole-7')
    const { startedAt, closedAt } = await using.client.get('whole-7')
    await untilGone(ids, { archive: fileArchive(folder) })
    const archive = openArchive(fileArchive(folder))
    const found = await archive.read('whole-7')
    expect(found).toMatchObject({ workflow: 'archived ../*', status: 'completed', startedAt, closedAt })
    expect(found.events).toEqual(before)
    expect(await archive.read('whole-7', { workflow: 'archived ../*' })).toEqual(found)
    await expect(archive.read('whole')).rejects.toMatchObject({ code: 'EXECUTION_NOT_FOUND' })
    await expect(archive.read('whole-7', { workflow: 'archived' })).rejects.toMatchObject({
      code: 'EXECUTION_NOT_FOUND',
    })
    const shown = await runProgram(['archive', 'show', 'whole-7', '--archive-dir', folder, '--json'])
    expect(JSON.parse(shown.stdout)).toMatchObject({
      executionId: 'whole-7',
      events: [{ type: 'started' }, {}, {}, {}],
    })
    const missing = await runProgram(['archive', 'show', 'nobody', '--archive-dir', folder])
    expect(missing).toMatchObject({ code: 1 })
  })

  test('has all, some twice, when the node dies between writing and removing', async () => {
    const ids = await run('killed', 30)
    const killed = startNodeProcess({
      file: new URL('fixtures/killed-archiver.ts', import.meta.url),
      args: [using.database.schema, folder],
      env: { CEREBELUM_TEST_DATABASE_URL: databaseUrl() },
    })
    expect(await killed.exited).toMatchObject({ signal: 'SIGKILL' })
    expect(await countOf(ids)).toBe(30)
    const first = await filesIn(folder)
    expect(first).toHaveLength(1)
    await untilGone(ids, { archive: fileArchive(folder) })
    expect((await filesIn(folder)).length).toBeGreaterThan(1)
    const archive = openArchive(fileArchive(folder))
    for (const id of ids) {
      const { events, version } = await archive.read(id)
      expect(events.map((event) => event.version)).toEqual(Array.from({ length: version }, (_, n) => n + 1))
    }
    // The second copy is as good as the first.
    await rm(join(folder, first[0] ?? ''))
    expect((await archive.read('killed-3')).events).toHaveLength(4)
    const sql = using.database.connect({ max: 1 })
    expect(await findViolations(sql)).toEqual([])
    await sql.end()
  })

  test('nothing is removed while the archive cannot be written, nor by nodes without one', async () => {
    const ids = await run('refused', 3)
    let tries = 0
    const broken: ArchiveSink = {
      ...fileArchive(folder),
      put: () => {
        tries++
        return Promise.reject(new Error('the disk is full'))
      },
    }
    const node = await using.join({ archive: broken, retention: '27 days' })
    await eventually(() => tries > 0, { what: 'a try' })
    await node.stop()
    const sql = using.database.connect({ max: 1 })
    await sql`update retention set due_at = now()`
    const store = await using.database.openStore()
    expect(await store.takeSweep({ canArchive: false, holdMs: 0 })).toBeNull()
    await sql.end()
    expect(await countOf(ids)).toBe(3)
    expect(using.logged.join()).toMatch(/the disk is full/)
    await untilGone(ids, { archive: fileArchive(folder) })
  })
})

describe('the files', () => {
  const at = new Date('2026-01-02T03:04:05.678Z')

  function expired(id: string, version: number, closedAt = at): Expired {
    const key = { region: 'local', partition: 1, executionId: id }
    const row = {
      key,
      workflow: 'w',
      workflowVersion: '1',
      status: 'completed' as const,
      run: 1,
      runVersion: 1,
      version,
      claimedBy: null,
      claimEpoch: 1,
      readyAt: null,
      attempts: 0,
      inbox: 0,
      startId: null,
      parentId: null,
      attributes: { city: 'Bern' },
      note: null,
      startedAt: at,
      closedAt,
    }
    return { key, version, closedAt, row }
  }

  /** Histories of patches, as long as the version says. */
  function storeOf(all: readonly Expired[]): ConstructorParameters<typeof Archivist>[0]['store'] {
    const versions = new Map(all.map(({ key, version }) => [key.executionId, version]))
    return {
      readHistories: (wanted, limit) =>
        Promise.resolve(
          wanted.map(({ key, from }) => {
            const version = versions.get(key.executionId) ?? 0
            const count = Math.max(0, Math.min(limit, version - from + 1))
            return Array.from({ length: count }, (_, n): Event => ({
              version: from + n,
              type: 'patched',
              name: `${key.executionId} ${from + n}`,
              at,
            }))
          }),
        ),
    }
  }

  async function keep(all: readonly Expired[], fileCharactersMax: number): Promise<string[][]> {
    const archivist = new Archivist({ sink: fileArchive(folder), store: storeOf(all), fileCharactersMax })
    const kept: string[][] = []
    for await (const some of archivist.keep(all)) kept.push(some.map(({ key }) => key.executionId))
    return kept
  }

  test('a long history goes over several, and is handed on when the last is written', async () => {
    const all = [expired('a', 3), expired('long', 2_500), expired('b', 3)]
    expect(await keep(all, 50_000)).toEqual([['a'], ['long', 'b']])
    expect((await filesIn(folder)).length).toBeGreaterThan(3)
    const archive = openArchive(fileArchive(folder))
    for (const { key, version } of all) {
      const { events, attributes } = await archive.read(key.executionId)
      expect(events.map((event) => event.version)).toEqual(Array.from({ length: version }, (_, n) => n + 1))
      expect(attributes).toEqual({ city: 'Bern' })
    }
    // With a file missing it is not given out as if it were whole.
    for (const name of (await filesIn(folder)).slice(1, 2)) await rm(join(folder, name))
    await expect(archive.read('long')).rejects.toMatchObject({ code: 'UNREADABLE_VALUE' })
  })

  test('of an id that was used again the newest execution is read', async () => {
    await keep([expired('again', 5)], 1e6)
    const later = new Date(at.getTime() + 1_000)
    const newer = expired('again', 2, later)
    await keep([{ ...newer, row: { ...newer.row, startedAt: later } }], 1e6)
    expect(await openArchive(fileArchive(folder)).read('again')).toMatchObject({
      version: 2,
      closedAt: later,
    })
  })

  test('are lines of JSON, and lie inside the folder whatever a workflow is called', async () => {
    const strange = expired('x', 1)
    await keep([{ ...strange, row: { ...strange.row, workflow: '../..' } }], 1e6)
    const [name = ''] = await filesIn(folder)
    const lines = gunzipSync(await readFile(join(folder, name)))
      .toString()
      .trim()
      .split('\n')
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { kind: 'execution', executionId: 'x', workflow: '../..', closedAt: at.toISOString() },
      { kind: 'event', executionId: 'x', version: 1, type: 'patched' },
    ])
  })

  test('one that is damaged is named, and one that is unfinished is not read', async () => {
    await keep([expired('x', 1)], 1e6)
    const [name = ''] = await filesIn(folder)
    await writeFile(join(folder, `${name}.unfinished`), 'half')
    const archive = openArchive(fileArchive(folder))
    expect(await archive.read('x')).toMatchObject({ executionId: 'x' })
    await writeFile(join(folder, name), (await readFile(join(folder, name))).subarray(0, 30))
    const error: unknown = await archive.read('x').catch((cause: unknown) => cause)
    expect(errorCode(error)).toBe('UNREADABLE_VALUE')
    expect(String(error)).toContain(name)
  })
})

async function filesIn(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true })
  return names.filter((name) => name.includes('.ndjson')).toSorted()
}
