// The house rules hold over the whole tree: layers, SQL only in the store, no casts, no default export, no dead
// file, and the linter sees what it should. A check that can pass without looking is worth nothing, so every
// check is first shown a bad file.

import { execFile, execFileSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CASTS_LEFT, LAYERS, ROOTS } from './support/layers.js'
import { countCasts, findBreaches, findDead, readSourceTree } from './support/source-tree.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const tree = readSourceTree(root, 'src')
const header = '// A fixture.\n// Two lines.\n'

describe('the tree', () => {
  test('keeps the house rules', () => {
    expect(findBreaches(tree)).toEqual([])
  })

  test('has no casts beyond those still left', () => {
    const casts = countCasts(tree)
    const total = [...casts.values()].reduce((sum, count) => sum + count, 0)
    expect(total, JSON.stringify([...casts])).toBeLessThanOrEqual(CASTS_LEFT)
  })

  test('has no dead file', () => {
    // While a door or the program is missing, everything would look dead.
    expect(ROOTS.filter((path) => !tree.has(path))).toEqual([])
    expect(findDead(tree, ROOTS)).toEqual([])
  })

  test('is seen whole: as many files as git lists', () => {
    const deleted = new Set(lines('git', ['ls-files', '--deleted', '--', 'src']))
    const tracked = lines('git', ['ls-files', '--', 'src']).filter(
      (path) => /\.tsx?$/.test(path) && !deleted.has(path),
    )
    const untracked = lines('git', ['ls-files', '--others', '--exclude-standard', '--', 'src']).filter(
      (path) => /\.tsx?$/.test(path),
    )
    expect(tracked.length).toBeGreaterThan(20)
    expect(tree.size).toBe(tracked.length + untracked.length)
  })

  function lines(command: string, args: string[]): string[] {
    return execFileSync(command, args, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean)
  }
})

describe('the check sees', () => {
  test.each([
    [
      'an import upwards',
      'src/core/a.ts',
      `import { b } from '../engine/b.js'\nb()`,
      'core may not import engine',
    ],
    [
      'a type import upwards',
      'src/store/a.ts',
      `import type { B } from '../http/b.js'\nexport type A = B`,
      'may not',
    ],
    ['a re-export upwards', 'src/core/a.ts', `export * from '../store/b.js'`, 'core may not import store'],
    [
      'a dynamic import upwards',
      'src/timers/a.ts',
      `await import('../cli/b.js')`,
      'timers may not import cli',
    ],
    [
      'an import() type upwards',
      'src/core/a.ts',
      `export type A = import('../http/b.js').B`,
      'core may not import',
    ],
    [
      'a face that touches the store',
      'src/http/a.ts',
      `import { b } from '../store/b.js'\nb()`,
      'http may not',
    ],
    ['a folder that is no layer', 'src/utils/a.ts', `export const a = 1`, 'is no layer'],
    ['a layer that uses a door', 'src/engine/a.ts', `import { b } from '../index.js'\nb()`, 'the door'],
    ['a package of another layer', 'src/core/a.ts', `import { Hono } from 'hono'\nHono`, 'the package hono'],
    ['input and output in a pure layer', 'src/workflow/a.ts', `import 'node:fs'`, 'may not import node:fs'],
    ['SQL outside of the store', 'src/engine/a.ts', 'await sql`select 1`', 'speaks SQL'],
    [
      'the driver outside of the store',
      'src/cli/a.ts',
      `import postgres from 'postgres'\npostgres()`,
      'the driver',
    ],
    ['sql.begin', 'src/store/a.ts', 'await sql.begin(() => 1)', 'sql.begin'],
    ['select *', 'src/store/a.ts', 'await sql`select * from events`', 'select *'],
    ['a default export', 'src/core/a.ts', 'export default 1', 'default export'],
    ['new Date()', 'src/engine/a.ts', 'export const a = new Date()', 'new Date()'],
    ['a file that does not parse', 'src/core/a.ts', 'export const = 1', 'parsed'],
  ])('%s', (_name, path, text, finding) => {
    expect(findBreaches(new Map([[path, header + text]]))).toEqual([expect.stringContaining(finding)])
  })

  test('a file without its opening comment', () => {
    expect(findBreaches(new Map([['src/core/a.ts', 'export const a = 1']]))).toHaveLength(1)
  })

  test('a cast, but not `as const` or a renamed import', () => {
    const casts = (text: string): number =>
      [...countCasts(new Map([['src/core/a.ts', text]])).values()][0] ?? 0
    expect(casts('export const a = b as string')).toBe(1)
    expect(casts('export const a = b as unknown as string')).toBe(2)
    expect(casts(`import { b as c } from './b.js'\nexport const a = [c] as const`)).toBe(0)
  })

  test('a dead file', () => {
    const files = new Map([
      ['src/index.ts', `export { a } from './core/a.js'`],
      ['src/core/a.ts', 'export const a = 1'],
      ['src/core/dead.ts', 'export const b = 1'],
    ])
    expect(findDead(files, ROOTS)).toEqual(['src/core/dead.ts'])
  })

  test('nothing bad in types of the driver and good imports', () => {
    const text = `import type { Sql } from 'postgres'\nimport type { Store } from '../store/store.js'\nexport type A = Sql | Store`
    expect(findBreaches(new Map([['src/engine/a.ts', header + text]]))).toEqual([])
  })
})

describe('the linter sees', () => {
  let folder: string
  let output: string

  const bad: Record<string, string> = {
    'src/engine/floating.ts': `async function f(): Promise<void> {}\nexport function g(): void {\n  f()\n}`,
    'src/engine/any.ts': `export const a: any = 1`,
    'src/engine/default.ts': `export default 1`,
    'src/engine/cycle.ts': `import { b } from './cycle-back.js'\nexport const a = (): number => b()`,
    'src/engine/cycle-back.ts': `import { a } from './cycle.js'\nexport const b = (): number => a()`,
    'src/engine/now.ts': `export const a = Date.now()`,
    'src/engine/random.ts': `export const a = Math.random()`,
    'src/engine/timeout.ts': `export const a = (): unknown => setTimeout(() => undefined, 1)`,
    'src/engine/timers.ts': `import { setTimeout as sleep } from 'node:timers/promises'\nexport const a = sleep`,
    'src/engine/env.ts': `export const a = process.env`,
    'src/engine/console.ts': `console.log(1)\nexport const a = 1`,
    'src/engine/bang.ts': `export const a = (b: string | null): string => b!`,
    'src/engine/driver.ts': `import postgres from 'postgres'\nexport const a = postgres`,
    'src/engine/catch.ts': `export function a(): void {\n  try {\n    a()\n  } catch {}\n}`,
  }
  const good: Record<string, string> = {
    'src/core/ports.ts': `export const now = (): number => Date.now()\nexport const chance = Math.random`,
    'src/cli/good.ts': `console.log(process.env, Date.now())\nexport const a = 1`,
    'src/store/driver.ts': `import postgres from 'postgres'\nexport const a = postgres`,
    'src/engine/types.ts': `import type { Sql } from 'postgres'\nexport const a = [1] as const\nexport type B = Sql`,
  }
  const upwards: Record<string, string> = {}
  for (const [name, layer] of Object.entries(LAYERS)) {
    for (const other of Object.keys(LAYERS)) {
      const files = layer.below.includes(other) || other === name ? good : upwards
      files[`src/${name}/to-${other}.ts`] = `import { x } from '../${other}/x.js'\nexport const a = x`
    }
    good[`src/${name}/x.ts`] = 'export const x = 1'
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cerebelum-lint-'))
    for (const [path, text] of Object.entries({ ...bad, ...good, ...upwards })) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), `${text}\n`)
    }
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { strict: true, module: 'nodenext', target: 'es2023' },
        include: ['src'],
      }),
    )
    await copyFile(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
    const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint')
    output = await new Promise<string>((resolve) => {
      execFile(
        process.execPath,
        [oxlint, '--type-aware', '--format=unix'],
        { cwd: folder, maxBuffer: 16 * 1_048_576 },
        (_error, stdout, stderr) => resolve(stdout + stderr),
      )
    })
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const findingsIn = (path: string): string[] =>
    output.split('\n').filter((line) => line.startsWith(`${path}:`))

  test.each(Object.keys(bad))('%s', (path) => {
    expect(findingsIn(path), output.slice(0, 2_000)).not.toEqual([])
  })

  test('every import that does not point down', () => {
    expect(Object.keys(upwards).filter((path) => findingsIn(path).length === 0)).toEqual([])
  })

  test('nothing in good files', () => {
    expect(Object.keys(good).flatMap(findingsIn)).toEqual([])
  })
})
