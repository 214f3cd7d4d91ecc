// The doors: what the exports map of package.json names exists in the build, and gives exactly the names that the
// README lists, at most fifteen each. A name that is in neither place does not exist for users.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseAst } from 'vitest/node'
import { z } from 'zod'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const Package = z.object({
  exports: z.record(z.string(), z.object({ types: z.string(), default: z.string() })),
  bin: z.record(z.string(), z.string()),
})
const { exports: doors, bin } = Package.parse(JSON.parse(read('package.json')))

const sourceOf = (code: string): string => code.replace('./dist/', 'src/').replace(/\.js$/, '.ts')
describe.each(Object.entries(doors))('the door "%s"', (door, { types, default: code }) => {
  const source = sourceOf(code)
  const name = `cerebelum${door.slice(1)}`

  test('is built, with its types', () => {
    expect(existsSync(join(root, code)), code).toBe(true)
    expect(existsSync(join(root, types)), types).toBe(true)
  })

  test('exports what the README lists, at most fifteen names', () => {
    const names = exportsOf(read(source))
    expect([...names.values, ...names.types].toSorted()).toEqual(documented(name).toSorted())
    expect(names.values.length + names.types.length).toBeLessThanOrEqual(15)
  })

  test('gives a program its values', () => {
    const program = `import * as door from '${name}'; console.log(JSON.stringify(Object.keys(door).toSorted()))`
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      encoding: 'utf8',
    })
    expect(JSON.parse(printed)).toEqual(exportsOf(read(source)).values.toSorted())
  })
})

test('the program is where package.json says, and runs by itself', () => {
  const program = join(root, bin['cerebelum'] ?? '')
  expect(readFileSync(program, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
})

test('the client on the database loads no engine and no HTTP', () => {
  // The loader tells what it resolves: from the client's door nothing of them may be reached.
  const seen = reachable('src/database.ts')
  expect(
    [...seen].filter((path) => /^src\/(engine|http|remote|cli|examples|timers|coordination)\//.test(path)),
  ).toEqual([])
  expect(seen.size).toBeGreaterThan(10)
})

interface Names {
  readonly values: string[]
  readonly types: string[]
}

/** A door only re-exports: every statement is `export { … } from` or `export type { … } from`. */
function exportsOf(text: string): Names {
  const names: Names = { values: [], types: [] }
  for (const statement of statementsOf(text)) {
    expect(statement['type']).toBe('ExportNamedDeclaration')
    const specifiers = z
      .array(z.object({ exported: z.object({ name: z.string() }), exportKind: z.string().optional() }))
      .parse(statement['specifiers'])
    for (const { exported, exportKind } of specifiers) {
      const isType = statement['exportKind'] === 'type' || exportKind === 'type'
      names[isType ? 'types' : 'values'].push(exported.name)
    }
  }
  return names
}

function statementsOf(text: string): Record<string, unknown>[] {
  const program: unknown = parseAst(text, { lang: 'ts', astType: 'ts' })
  return z.object({ body: z.array(z.record(z.string(), z.unknown())) }).parse(program).body
}

/** The row of the README's table of doors. */
function documented(name: string): string[] {
  const row = read('README.md')
    .split('\n')
    .find((line) => line.startsWith(`| \`${name}\` `))
  const [, , cell = ''] = (row ?? '').split('|')
  const [list = ''] = cell.split(':')
  return Array.from(list.matchAll(/`(\w+)`/g), ([, word = '']) => word)
}

/** Files that are loaded with a file: types are not. */
function reachable(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen
  seen.add(path)
  for (const statement of statementsOf(read(path))) {
    if (statement['importKind'] === 'type' || statement['exportKind'] === 'type') continue
    const source = z.object({ value: z.string() }).safeParse(statement['source'])
    if (!source.success || !source.data.value.startsWith('.')) continue
    reachable(join(path, '..', source.data.value).replace(/\.js$/, '.ts'), seen)
  }
  return seen
}
