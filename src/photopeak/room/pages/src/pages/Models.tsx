import { useEffect, useState } from 'preact/hooks'
import { type User, get, send } from '../api'

interface Bundle { name: string; sha256?: string; card?: string; active: boolean; fault?: string }
interface Month { month: string; read: number; refused: number; suspected: number | null; unsure: number | null; agreed_with_people: number | null; compared_with_people: number }
interface Score { n: number; auc: number | null; sensitivity: number | null; specificity: number | null; unsure: number | null }
interface Compared { studies: number; bundles: Record<string, { read: number; metastasis: Score; arthritis: Score }> }

export function Models({ user }: { user: User }) {
  const [data, setData] = useState<{ bundles: Bundle[]; before: string; teaching: string } | null>(null)
  const [shown, setShown] = useState('')
  const [months, setMonths] = useState<Month[]>([])
  const [fault, setFault] = useState('')
  const leads = user.may.includes('cohorts')
  const failed = (e: Error) => setFault(e.message)
  const load = () => get<typeof data>('/api/models').then((d) => { setData(d); setShown((s) => s || d!.bundles.find((b) => b.active)?.name || '') }, failed)
  useEffect(() => void load(), [])
  useEffect(() => { if (shown) get<Month[]>(`/api/models/drift?bundle=${encodeURIComponent(shown)}`).then(setMonths, failed) }, [shown])
  const on = (bundle: string) => send('PUT', '/api/models/active', { bundle }).then(() => load(), failed)
  const bundle = data?.bundles.find((b) => b.name === shown)
  const share = (v: number | null) => (v == null ? '–' : `${Math.round(100 * v)} %`)
  return (
    <main class="plain">
      <header class="page-head"><h1>Network</h1>
        {leads && data?.before && <button onClick={() => void on(data.before)}>Back to {data.before}</button>}
      </header>
      <div class="two">
        <section>
          <ul class="choices">
            {data?.bundles.map((b) => (
              <li key={b.name}>
                <button class={b.name === shown ? 'on' : ''} aria-pressed={b.name === shown} onClick={() => setShown(b.name)}>{b.name} {b.active && <b>reads</b>} <small>{b.fault ?? b.sha256?.slice(0, 12)}</small></button>
                {leads && !b.active && !b.fault && <button onClick={() => void on(b.name)}>Switch on</button>}
              </li>
            ))}
          </ul>
          <h2>Over time</h2>
          <table>
            <thead><tr><th>Month</th><th class="r">read</th><th class="r">refused</th><th class="r">suspected</th><th class="r">not sure</th><th class="r">agrees with readers</th></tr></thead>
            <tbody>{months.map((m) => <tr key={m.month}><td>{m.month}</td><td class="r">{m.read}</td><td class="r">{m.refused}</td><td class="r">{share(m.suspected)}</td><td class="r">{share(m.unsure)}</td><td class="r">{share(m.agreed_with_people)} <small>of {m.compared_with_people}</small></td></tr>)}</tbody>
          </table>
          {leads && data && <Teach bundles={data.bundles.map((b) => b.name)} teaching={data.teaching} onDone={load} />}
          {fault && <p class="fault" role="alert">{fault}</p>}
        </section>
        <section class="card"><h2>Model card</h2><pre class="model-card">{bundle?.card ?? bundle?.fault}</pre></section>
      </div>
    </main>
  )
}

function Teach({ bundles, teaching, onDone }: { bundles: string[]; teaching: string; onDone: () => void }) {
  const [cohorts, setCohorts] = useState<{ key: number; name: string }[]>([])
  const [cohort, setCohort] = useState(0)
  const [name, setName] = useState('')
  const [beside, setBeside] = useState<Compared | null>(null)
  const [fault, setFault] = useState('')
  const failed = (e: Error) => setFault(e.message)
  useEffect(() => void get<{ cohorts: { key: number; name: string }[] }>('/api/cohorts').then((d) => { setCohorts(d.cohorts); setCohort(d.cohorts[0]?.key ?? 0) }, failed), [])
  const compare = async () => {
    try {
      for (const bundle of bundles) await send('POST', '/api/models/read', { bundle, cohort, epochs: 1 })
      setBeside(await get<Compared>(`/api/models/compared?cohort=${cohort}&${bundles.map((b) => `bundles=${encodeURIComponent(b)}`).join('&')}`))
    } catch (e) {
      failed(e as Error)
    }
  }
  const n = (v: number | null) => (v == null ? '–' : v.toFixed(2))
  return (
    <section class="card">
      <h2>On a cohort's consensus</h2>
      <label>Cohort <select value={cohort} onChange={(e) => setCohort(Number(e.currentTarget.value))}>{cohorts.map((c) => <option key={c.key} value={c.key}>{c.name}</option>)}</select></label>
      <button disabled={!cohort} onClick={() => void compare()}>Compare all bundles</button>
      {beside && (
        <table>
          <thead><tr><th>Bundle</th><th class="r">read</th><th class="r">AUC M</th><th class="r">sens. M</th><th class="r">spec. M</th><th class="r">AUC A</th><th class="r">unsure M</th></tr></thead>
          <tbody>{Object.entries(beside.bundles).map(([b, s]) => <tr key={b}><td>{b}</td><td class="r">{s.read} of {beside.studies}</td><td class="r">{n(s.metastasis.auc)}</td><td class="r">{n(s.metastasis.sensitivity)}</td><td class="r">{n(s.metastasis.specificity)}</td><td class="r">{n(s.arthritis.auc)}</td><td class="r">{n(s.metastasis.unsure)}</td></tr>)}</tbody>
        </table>
      )}
      <form class="inline-form" onSubmit={(e) => { e.preventDefault(); send('POST', '/api/models/teach', { bundle: name, cohort, epochs: 10 }).then(onDone, failed) }}>
        <label>Teach a new bundle called <input required pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" value={name} onInput={(e) => setName(e.currentTarget.value)} /></label>
        <button disabled={!cohort || !name}>Teach</button>
      </form>
      {teaching && <p class="hint" role="status">{teaching}</p>}
      {fault && <p class="fault" role="alert">{fault}</p>}
    </section>
  )
}
