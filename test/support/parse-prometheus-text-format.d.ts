// Types that the package does not bring.

declare module 'parse-prometheus-text-format' {
  export interface Series {
    readonly labels?: Readonly<Record<string, string>>
    readonly value?: string
  }
  export interface Family {
    readonly name: string
    readonly help: string
    readonly type: 'COUNTER' | 'GAUGE' | 'HISTOGRAM' | 'SUMMARY' | 'UNTYPED'
    readonly metrics: readonly Series[]
  }
  const parse: (text: string) => Family[]
  export default parse
}
