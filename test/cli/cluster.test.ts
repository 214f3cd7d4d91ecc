// The commands that show a cluster: nodes, partitions, dead letters.

import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Screen } from '../../src/cli/screen.js'
import { workflow } from '../../src/workflow/define.js'
import { PROGRAM } from '../support/build.js'
import { useEngine } from '../support/engine.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { runProgram } from '../support/program.js'
import { eventually } from '../support/wait.js'

const greets = workflow({ name: 'greets', version: '1' }, async (_ctx, name) => `Hello ${String(name)}`)
const using = useEngine([greets])
let place: string[]

beforeAll(() => {
  const { url, schema } = using.database
  place = ['--database-url', url, '--schema', schema]
})

const lines = (text: string): string[] => text.split('\n').filter(Boolean)

describe('nodes', () => {
  test('is a table, and what it comes to', async () => {
    const { code, stdout, stderr } = await runProgram(['nodes', ...place])
    expect(code).toBe(0)
    const [head = '', ...rows] = lines(stdout)
    expect(head.split('\t')).toContain('lag ms')
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatch(new RegExp(`^${using.engine.nodeId}\tlocal\t.*\t64\t\\d+[smh]\theld$`))
    expect(stderr).toContain("1 alive, 64 partitions (0 nobody's), imbalance: partitions 1, running 1")
  })

  test('is one JSON object for programs', async () => {
    const { code, stdout } = await runProgram(['nodes', '--json', ...place])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      nodes: [{ nodeId: using.engine.nodeId, workflows: { greets: '1' }, partitions: 64, isAlive: true }],
      regions: [{ region: 'local', nodes: 1 }],
    })
  })

  test('that are watched by a program are one line for each that comes or goes, until a signal', async () => {
    const watching = watch(['nodes', '--watch', '--json', ...place])
    await watching.waitForOutput(`{"kind":"joined","node":{"nodeId":"${using.engine.nodeId}"`)
    const other = await using.join()
    await watching.waitForOutput(`{"kind":"joined","node":{"nodeId":"${other.nodeId}"`)
    await other.stop()
    await watching.waitForOutput(`{"kind":"left","node":{"nodeId":"${other.nodeId}"`)
    await expect(watching.kill('SIGINT')).resolves.toEqual({ code: 0, signal: null })
  })

  test('that are watched are shown again each second', async () => {
    const watching = watch(['nodes', '--watch', ...place])
    await eventually(() => watching.output().split(using.engine.nodeId).length > 3, {
      what: 'the third table',
    })
    await expect(watching.kill('SIGTERM')).resolves.toEqual({ code: 0, signal: null })
  })

  test('of a database that was not migrated end with 4', async () => {
    const { code, stderr } = await runProgram(['nodes', ...place, '--schema', 'nobody_made_this'])
    expect(code).toBe(4)
    expect(stderr).toMatch(/^DATABASE_SCHEMA: /m)
  })

  function watch(args: readonly string[]): NodeProcess {
    return startNodeProcess({ file: PROGRAM, args })
  }
})

test('partitions says who owns which', async () => {
  const { code, stdout } = await runProgram(['partitions', ...place])
  expect(code).toBe(0)
  const [, ...rows] = lines(stdout)
  expect(rows).toHaveLength(64)
  expect(rows[5]).toMatch(new RegExp(`^5\tlocal\t${using.engine.nodeId}\t\\d+\theld$`))
  const json = lines((await runProgram(['partitions', '--json', ...place])).stdout)
  expect(json.map((line) => z.object({ owner: z.string() }).parse(JSON.parse(line)).owner)).toEqual(
    Array.from({ length: 64 }, () => using.engine.nodeId),
  )
})

describe('dead letters', () => {
  test('are listed with the reason, and put back to work', async () => {
    await using.client.start(greets, 'Ada', { id: 'ada' })
    await using.client.result('ada')
    await using.client.start(greets, 'Bo', { id: 'bo', startAfter: '1 hour' })
    const sql = using.database.connect({ max: 1 })
    await sql`update executions set status = 'dead', note = 'it killed its node' where execution_id = 'bo'`
    const { code, stdout } = await runProgram(['dead-letters', ...place])
    expect(code).toBe(0)
    expect(lines(stdout)).toEqual([
      'execution\tworkflow\tstarted\treason',
      expect.stringMatching(/^bo\tgreets 1\t.+\tit killed its node$/),
    ])
    const [json = ''] = lines((await runProgram(['dead-letters', '--json', ...place])).stdout)
    expect(JSON.parse(json)).toMatchObject({ executionId: 'bo', note: 'it killed its node' })

    const retried = await runProgram(['dead-letters', 'retry', 'bo', ...place])
    expect(retried).toMatchObject({ code: 0, stderr: 'bo: back to work\n' })
    expect(lines((await runProgram(['dead-letters', ...place])).stdout)).toHaveLength(1)
  })

  test.each([
    ['that is not there', 'nobody', 'EXECUTION_NOT_FOUND'],
    ['that is not dead', 'ada', 'EXECUTION_NOT_RESUMABLE'],
  ])('one %s cannot be retried', async (_name, id, error) => {
    const { code, stderr } = await runProgram(['dead-letters', 'retry', id, ...place])
    expect(code).toBe(1)
    expect(stderr).toMatch(new RegExp(`^${error}: `))
  })
})

describe('a screen', () => {
  const show = (isTTY: boolean, texts: readonly string[], rows = 24): string => {
    let written = ''
    const screen = new Screen({ isTTY, rows, write: (text) => (written += text) })
    for (const text of texts) screen.show((stream) => stream.write(text))
    return written
  }

  test('is cleared once and then written over in place', () => {
    const written = show(true, ['a\nb\n', 'c\n'])
    expect(written).toBe('\u001b[2J\u001b[Ha\u001b[K\nb\u001b[K\n\u001b[J' + '\u001b[Hc\u001b[K\n\u001b[J')
  })

  test('cuts what does not fit, so that it never scrolls', () => {
    expect(show(true, ['1\n2\n3\n4\n'], 3)).not.toContain('3')
  })

  test('is plain text without a terminal', () => {
    expect(show(false, ['a\n', 'b\n'])).toBe('a\nb\n')
  })
})
