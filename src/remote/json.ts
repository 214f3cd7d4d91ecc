// What becomes of a value's type on its way through JSON (`src/http/to-json.ts` does it to the value): instants, big numbers
// and bytes arrive as texts, sets as lists, `undefined` as null, methods not at all.

import type { Failure } from '../core/failure.js'

/** @example Json<{ at: Date; total: bigint; tags: Set<string> }> // { at: string; total: string; tags: string[] } */
export type Json<T> = unknown extends T
  ? unknown
  : T extends string | number | boolean | null
    ? T
    : T extends undefined
      ? null
      : T extends Date | bigint | URL | RegExp | Uint8Array | ArrayBuffer
        ? string
        : T extends Error
          ? Failure
          : T extends ReadonlyMap<infer K, infer V>
            ? K extends string
              ? { [key: string]: Json<V> }
              : [Json<K>, Json<V>][]
            : T extends ReadonlySet<infer E>
              ? Json<E>[]
              : T extends readonly unknown[]
                ? { [K in keyof T]: Json<T[K]> }
                : T extends object
                  ? { [K in keyof T]: Json<Exclude<T[K], undefined>> | LeftOut<T[K]> }
                  : null

/** A field that may be undefined is left out then. */
type LeftOut<T> = undefined extends T ? undefined : never

/** The same of data of ours, whose instants are put back. */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer E)[]
    ? readonly Wire<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Wire<T[K]> }
      : T
