// Reads source files into facts (imports, SQL tags, casts, exports) with a real parser, and judges them by the
// house rules of `layers.ts`. Works on any map of path → text, so that the tidy test can prove on bad fixtures
// that each check sees. Never skips a file silently: a file that can't be parsed is a finding.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { parseAst } from 'vitest/node'
import { CASTS_ALLOWED_IN, DOOR_USERS, LAYERS, SQL_EXCEPTIONS } from './layers.js'

/** Path relative to the project (with `/`) → text. */
export type SourceTree = ReadonlyMap<string, string>

interface Import {
  readonly specifier: string
  readonly isType: boolean
}

export interface SourceFacts {
  readonly path: string
  readonly imports: readonly Import[]
  readonly sqlTexts: readonly string[]
  readonly casts: number
  readonly defaultExports: number
  readonly currentDates: number
  readonly forbiddenSqlCalls: readonly string[]
}

/** All TypeScript files of a folder that git knows or would add; what is deleted in the work tree is left out. */
export function readSourceTree(root: string, folder: string): SourceTree {
  const listed = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '--', folder],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
  const paths = [...new Set(listed.split('\n'))].filter((path) => /\.tsx?$/.test(path))
  const present = paths.filter((path) => existsSync(posix.join(root, path)))
  return new Map(present.map((path) => [path, readFileSync(posix.join(root, path), 'utf8')]))
}

export function readFacts(path: string, text: string): SourceFacts {
  const imports: Import[] = []
  const sqlTexts: string[] = []
  const forbiddenSqlCalls: string[] = []
  const counts = { casts: 0, defaultExports: 0, currentDates: 0 }
  const program: unknown = parseAst(text, { lang: path.endsWith('.tsx') ? 'tsx' : 'ts', astType: 'ts' })
  visit(program, (node) => {
    switch (node['type']) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration': {
        const specifier = literalOf(node['source'])
        const isType = node['importKind'] === 'type' || node['exportKind'] === 'type'
        if (specifier !== undefined) imports.push({ specifier, isType })
        break
      }
      case 'ImportExpression':
      case 'TSImportType': {
        const specifier = literalOf(node['source'])
        if (specifier !== undefined) imports.push({ specifier, isType: node['type'] === 'TSImportType' })
        break
      }
      case 'TaggedTemplateExpression':
        if (!isSqlTag(node['tag'])) break
        sqlTexts.push(text.slice(Number(node['start']), Number(node['end'])))
        break
      case 'TSAsExpression':
      case 'TSTypeAssertion':
        if (!isConst(node['typeAnnotation'])) counts.casts += 1
        break
      case 'ExportDefaultDeclaration':
        counts.defaultExports += 1
        break
      case 'NewExpression':
        if (
          nameOf(node['callee']) === 'Date' &&
          Array.isArray(node['arguments']) &&
          node['arguments'].length === 0
        )
          counts.currentDates += 1
        break
      case 'CallExpression': {
        const call = sqlCallOf(node['callee'])
        if (call !== undefined) forbiddenSqlCalls.push(call)
        break
      }
    }
  })
  return { path, imports, sqlTexts, forbiddenSqlCalls, ...counts }
}

type AstNode = Readonly<Record<string, unknown>>

/** Every node below a value, itself first; what is below one is left out when `onNode` says false. */
export function visit(value: unknown, onNode: (node: AstNode) => boolean | void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, onNode)
  else if (isNode(value)) {
    if (typeof value['type'] === 'string' && onNode(value) === false) return
    for (const child of Object.values(value)) visit(child, onNode)
  }
}

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null
}

function literalOf(value: unknown): string | undefined {
  return isNode(value) && typeof value['value'] === 'string' ? value['value'] : undefined
}

function nameOf(value: unknown): string | undefined {
  return isNode(value) && typeof value['name'] === 'string' ? value['name'] : undefined
}

/** `sql`, `tx`, `this.sql`, `options.sql`, `transactionSql`: anything whose last name says sql. */
export function isSqlTag(tag: unknown): boolean {
  const name = nameOf(tag) ?? (isNode(tag) ? nameOf(tag['property']) : undefined)
  return name !== undefined && (/sql$/i.test(name) || name === 'tx')
}

function sqlCallOf(callee: unknown): string | undefined {
  if (!isNode(callee) || callee['type'] !== 'MemberExpression') return undefined
  const method = nameOf(callee['property'])
  return isSqlTag(callee['object']) && (method === 'begin' || method === 'file') ? `sql.${method}` : undefined
}

function isConst(annotation: unknown): boolean {
  return isNode(annotation) && nameOf(annotation['typeName']) === 'const'
}

/** Every breach of the house rules, as `path: what`; empty is good. */
export function findBreaches(tree: SourceTree): string[] {
  return [...tree].flatMap(([path, text]) => {
    try {
      const facts = readFacts(path, text)
      return [...layerBreaches(facts), ...sqlBreaches(facts), ...formBreaches(facts, text)].map(
        (what) => `${path}: ${what}`,
      )
    } catch (error) {
      return [`${path}: can't be parsed: ${String(error)}`]
    }
  })
}

function layerBreaches({ path, imports }: SourceFacts): string[] {
  const name = layerOf(path)
  if (name === null) return []
  const layer = LAYERS[name]
  if (layer === undefined) return [`folder src/${name} is no layer of the house (test/support/layers.ts)`]
  return imports.flatMap(({ specifier, isType }) => {
    if (specifier.startsWith('node:')) {
      const isAllowed = layer.node === '*' || layer.node.includes(specifier)
      return isAllowed ? [] : [`${name} may not import ${specifier}`]
    }
    if (specifier.startsWith('.')) {
      const target = posix.normalize(posix.join(posix.dirname(path), specifier))
      if (!target.startsWith('src/')) return [`imports ${target}, outside of src`]
      const targetLayer = layerOf(target)
      if (targetLayer === null)
        return DOOR_USERS.includes(name) ? [] : [`${name} may not import the door ${target}`]
      return targetLayer === name || layer.below.includes(targetLayer)
        ? []
        : [`${name} may not import ${targetLayer} (${specifier})`]
    }
    const packageName = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    if (layer.packages.includes(packageName)) return []
    return isType && packageName === 'postgres' ? [] : [`${name} may not import the package ${packageName}`]
  })
}

/** The folder below src/, or null for a door (src/*.ts). */
function layerOf(path: string): string | null {
  const [, folder, ...rest] = path.split('/')
  return folder === undefined || rest.length === 0 ? null : folder
}

function sqlBreaches({ path, imports, sqlTexts, forbiddenSqlCalls }: SourceFacts): string[] {
  const breaches = forbiddenSqlCalls.map((call) => `${call} is never used (see src/store/transaction.ts)`)
  if (sqlTexts.some((text) => /select\s+\*/i.test(text))) breaches.push('select * : list the columns')
  if (path.startsWith('src/store/') || path.startsWith('src/examples/') || SQL_EXCEPTIONS.includes(path))
    return breaches
  if (sqlTexts.length > 0) breaches.push('speaks SQL outside of src/store')
  if (imports.some(({ specifier, isType }) => specifier === 'postgres' && !isType))
    breaches.push('imports the driver outside of src/store')
  return breaches
}

function formBreaches({ path, defaultExports, currentDates }: SourceFacts, text: string): string[] {
  const breaches: string[] = []
  if (defaultExports > 0) breaches.push('has a default export')
  if (currentDates > 0 && path !== 'src/core/ports.ts' && !path.startsWith('src/cli/'))
    breaches.push('reads the clock with new Date()')
  const lines = text.replace(/^#!.*\n/, '').split('\n')
  const head = lines.findIndex(
    (line) => !line.startsWith('//') && !line.startsWith('/*') && !line.startsWith(' *'),
  )
  if (head < 1)
    breaches.push('does not open with a comment: what it is, what it promises, what it must never do')
  return breaches
}

export function countCasts(tree: SourceTree): Map<string, number> {
  const found = [...tree].map(([path, text]) => [path, readFacts(path, text).casts] as const)
  return new Map(found.filter(([path, casts]) => casts > 0 && !CASTS_ALLOWED_IN.includes(path)))
}

/** Files that no root reaches by imports (types included). */
export function findDead(tree: SourceTree, roots: readonly string[]): string[] {
  const seen = new Set<string>()
  const waiting = roots.filter((root) => tree.has(root))
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    for (const { specifier } of readFacts(path, tree.get(path) ?? '').imports) {
      if (!specifier.startsWith('.')) continue
      const target = posix.normalize(posix.join(posix.dirname(path), specifier))
      const file = [target.replace(/\.js$/, '.ts'), target.replace(/\.js$/, '.tsx')].find((name) =>
        tree.has(name),
      )
      if (file !== undefined) waiting.push(file)
    }
  }
  return [...tree.keys()].filter((path) => !seen.has(path))
}
