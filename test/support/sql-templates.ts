// The statements of the store as they stand in its source: every tagged template that names a table, with the comment
// above it. What is captured from a running store is held against these, so that no statement goes unlooked at.

import { parseAst } from 'vitest/node'
import { isSqlTag, type SourceTree, visit } from './source-tree.js'

export interface SqlTemplate {
  /** `file: function`, or the line where there is no name. */
  readonly name: string
  /** The doc comment before it: which index it promises to use. */
  readonly comment: string
  /** Indexes named in the comment; of "this or that" one is promised. */
  readonly indexes: readonly (readonly string[])[]
  /** The database that it is for, where there is one for each. */
  readonly dialect: 'postgres' | 'cockroachdb' | undefined
  /** Matches the text as it is sent. */
  readonly pattern: RegExp
  /** Characters that are always the same: of two patterns that match, the one with more is meant. */
  readonly fixed: number
}

export function readSqlTemplates(tree: SourceTree): SqlTemplate[] {
  return [...tree].flatMap(([path, text]) => templatesOf(path, text))
}

function templatesOf(path: string, text: string): SqlTemplate[] {
  const templates: SqlTemplate[] = []
  visit(parseAst(text, { lang: 'ts', astType: 'ts' }), (node) => {
    if (node['type'] !== 'TaggedTemplateExpression' || !isSqlTag(node['tag'])) return
    const start = Number(node['start'])
    const source = text.slice(start, Number(node['end']))
    const pieces = piecesOf(node['quasi'])
    const isStatement = /^\s*(select|insert|update|delete|with)\b/.test(pieces[0] ?? '')
    // A table is named by the template itself, or by a fragment that is given the database.
    if (!isStatement || !/tables\.|\(database\b/.test(source)) return
    const comment = lastComment(text.slice(0, start))
    templates.push({
      name: `${path.replace(/^src\/store\//, '')}: ${functionName(text.slice(0, start))}`,
      comment,
      indexes: indexesIn(comment),
      dialect: /For CockroachDB[.,:]/.test(comment)
        ? 'cockroachdb'
        : /For PostgreSQL[.,:]/.test(comment)
          ? 'postgres'
          : undefined,
      pattern: new RegExp(`^${pieces.map(escape).join('[\\s\\S]*?')}$`),
      fixed: pieces.join('').length,
    })
  })
  return templates
}

function indexesIn(comment: string): string[][] {
  const text = comment.replaceAll(/\s*\n\s*\*\s*/g, ' ')
  return (text.match(INDEX_NAMES) ?? []).map((found) => found.split(' or '))
}

const INDEX_NAME =
  '(?:executions|events|timers|signals|schedules|leases|partitions|settings|definitions|gates|turns)_[a-z]+'
const INDEX_NAMES = new RegExp(String.raw`\b${INDEX_NAME}(?: or ${INDEX_NAME})*\b`, 'g')

function piecesOf(quasi: unknown): string[] {
  const pieces: string[] = []
  visit(quasi, (node) => {
    // Nested templates are fragments of their own: their text is what the gaps stand for.
    if (node !== quasi && node['type'] === 'TemplateLiteral') return false
    const value: unknown = node['value']
    if (
      node['type'] === 'TemplateElement' &&
      typeof value === 'object' &&
      value !== null &&
      'cooked' in value
    )
      pieces.push(String(value.cooked))
    return true
  })
  return pieces
}

function lastComment(before: string): string {
  const at = before.lastIndexOf('/**')
  return at === -1 ? '' : before.slice(at, before.indexOf('*/', at))
}

function functionName(before: string): string {
  const names = [...before.matchAll(/function (\w+)/g)]
  return names.at(-1)?.[1] ?? `line ${before.split('\n').length}`
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
}
