// Patients who may be one person: proposed, looked at beside each other, merged, and parted again.

import { useEffect, useState } from 'preact/hooks'
import { get, send } from '../api'
import { STATES, date, personName, stamp } from '../words'
import { AdminTabs } from './AdminTabs'

interface Person {
  key: number
  patient_id: string
  issuer: string
  name: string
  birth_date: string
  sex: string
  studies: number
  last: string
}

interface People {
  found: Person[]
  candidates: { why: string; one: Person; other: Person }[]
  merged: { one: Person; other: Person; hindrance: string; who?: string; at?: string }[]
}

interface Moved {
  key: number
  date: string
  description: string
  state: string
  accession: string
  warnings: string[]
}

interface Preview {
  one: Person
  other: Person
  doubts: string[]
  moves: Moved[]
  stays: Moved[]
}

export function PatientsPage() {
  const [people, setPeople] = useState<People | null>(null)
  const [search, setSearch] = useState('')
  const [chosen, setChosen] = useState<Person[]>([])
  const [preview, setPreview] = useState<Preview | null>(null)
  const [fault, setFault] = useState('')
  const [said, setSaid] = useState('')
  const failed = (e: Error) => setFault(e.message)
  const load = () => get<People>(`/api/admin/patients?search=${encodeURIComponent(search)}`).then((p) => { setPeople(p); setFault('') }, failed)
  useEffect(() => {
    const timer = setTimeout(() => void load(), search ? 250 : 0)
    return () => clearTimeout(timer)
  }, [search])
  const look = (one: Person, into: Person) => get<Preview>(`/api/admin/merge?one=${one.key}&into=${into.key}`).then((p) => { setPreview(p); setSaid(''); setFault('') }, failed)
  const choose = (p: Person) => {
    const now = chosen.some((c) => c.key === p.key) ? chosen.filter((c) => c.key !== p.key) : [...chosen, p].slice(-2)
    setChosen(now)
    setPreview(null)
    if (now.length === 2) void look(now[0]!, now[1]!)
  }
  const done = (words: string) => {
    setSaid(words)
    setPreview(null)
    setChosen([])
    void load()
  }
  const merge = (p: Preview) => send('POST', '/api/admin/merge', { from_patient: p.one.key, into_patient: p.other.key }).then(() => done(`${personName(p.one.name)} (${p.one.patient_id}) is ${personName(p.other.name)} (${p.other.patient_id}) from now on.`), failed)
  const part = (key: number) => send('DELETE', `/api/admin/merge/${key}`).then(() => done('The merge is taken back.'), failed)
  return (
    <main class="plain">
      <AdminTabs at="/admin/patients" />
      <header class="page-head">
        <h1>Patients</h1>
        <input type="search" placeholder="Search name, ID, date of birth" aria-label="Search patients" value={search} onInput={(e) => setSearch(e.currentTarget.value)} />
        <span class="hint">An ID means nothing without who issued it: two hospitals' 4711 stay two people until you say that they are one.</span>
      </header>
      {fault && <p class="fault" role="alert">{fault}</p>}
      {said && <p class="done" role="status">{said}</p>}
      <div class="two">
        <div class="stack">
          {search.trim() && <Found people={people?.found ?? []} chosen={chosen} onChoose={choose} />}
          <section class="card">
            <h2>Who may be one person</h2>
            {people?.candidates.length === 0 && <p class="empty">Nobody: no two share an ID, or a name and date of birth.</p>}
            <ul class="pairs">
              {people?.candidates.map((c) => (
                <li key={`${c.one.key} ${c.other.key}`} class={preview && [c.one.key, c.other.key].every((k) => [preview.one.key, preview.other.key].includes(k)) ? 'chosen' : ''}>
                  <span class="why">{c.why}</span>
                  <Who p={c.one} /><Who p={c.other} />
                  <button onClick={() => { setChosen([]); void look(c.one, c.other) }}>Compare</button>
                </li>
              ))}
            </ul>
          </section>
          {people && people.merged.length > 0 && (
            <section class="card">
              <h2>Merged</h2>
              <ul class="pairs">
                {people.merged.map((m) => (
                  <li key={m.one.key}>
                    <span class="why">{m.who ? `by ${m.who}, ${stamp(m.at ?? '')}` : 'earlier'}</span>
                    <Who p={m.one} /><Who p={m.other} />
                    <button disabled={!!m.hindrance} title={m.hindrance} onClick={() => void part(m.one.key)}>Take back</button>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </div>
        {preview && <Beside key={`${preview.one.key} ${preview.other.key}`} p={preview} onTurn={() => void look(preview.other, preview.one)} onMerge={() => void merge(preview)} onLeave={() => { setPreview(null); setChosen([]) }} />}
        {!preview && <p class="empty">Compare two patients: from the list, or by searching and choosing two.</p>}
      </div>
    </main>
  )
}

function Who({ p }: { p: Person }) {
  return (
    <span class="person"><strong>{personName(p.name).slice(0, 50)}</strong> {date(p.birth_date)} {p.sex}
      <small>{p.patient_id || 'no ID'} · {p.issuer ? `issued by ${p.issuer}` : 'issuer not named'} · {p.studies} {p.studies === 1 ? 'study' : 'studies'}</small>
    </span>
  )
}

function Found({ people, chosen, onChoose }: { people: Person[]; chosen: Person[]; onChoose: (p: Person) => void }) {
  return (
    <section class="card">
      <h2>Found <small>choose two</small></h2>
      {people.length === 0 && <p class="empty">Nobody.</p>}
      <ul class="pairs">
        {people.map((p) => (
          <li key={p.key} class="one"><label class="inline"><input type="checkbox" checked={chosen.some((c) => c.key === p.key)} onChange={() => onChoose(p)} /> <Who p={p} /></label></li>
        ))}
      </ul>
    </section>
  )
}

const FIELDS: [string, (p: Person) => string][] = [
  ['Name', (p) => personName(p.name)],
  ['Born', (p) => date(p.birth_date) || 'not known'],
  ['Sex', (p) => p.sex || 'not known'],
  ['ID', (p) => p.patient_id || 'none'],
  ['Issued by', (p) => p.issuer || 'not named'],
  ['Last study', (p) => date(p.last) || '–'],
]

function Beside({ p, onTurn, onMerge, onLeave }: { p: Preview; onTurn: () => void; onMerge: () => void; onLeave: () => void }) {
  const [sure, setSure] = useState(false)
  return (
    <section class="card beside" aria-label="Two patients beside each other">
      <h2>Are these one person?</h2>
      <table>
        <thead><tr><th /><th scope="col">becomes part of →</th><th scope="col">this one, which stays</th></tr></thead>
        <tbody>{FIELDS.map(([name, of]) => <tr key={name} class={of(p.one) === of(p.other) || name === 'Last study' ? '' : 'differs'}><th scope="row">{name}</th><td>{of(p.one)}</td><td>{of(p.other)}</td></tr>)}</tbody>
      </table>
      {p.doubts.map((d) => <p key={d} class="warn">⚠ {d}</p>)}
      <h3>{p.moves.length} {p.moves.length === 1 ? 'study moves' : 'studies move'}, {p.stays.length} {p.stays.length === 1 ? 'is' : 'are'} there</h3>
      <ul class="moves">
        {p.moves.map((s) => <Study key={s.key} s={s} moves />)}
        {p.stays.map((s) => <Study key={s.key} s={s} />)}
      </ul>
      <p class="hint">What was sent stays as it was sent; the studies are shown together, priors and search included. It can be taken back.</p>
      {p.doubts.length > 0 && <label class="inline"><input type="checkbox" checked={sure} onChange={(e) => setSure(e.currentTarget.checked)} /> I have checked this: they are one person</label>}
      <footer class="inline-form">
        <button class="primary" disabled={p.doubts.length > 0 && !sure} onClick={onMerge}>Merge</button>
        <button onClick={onTurn}>The other way round</button>
        <button onClick={onLeave}>Leave them two</button>
      </footer>
    </section>
  )
}

function Study({ s, moves }: { s: Moved; moves?: boolean }) {
  return (
    <li><span class={moves ? 'moving' : ''}>{moves ? '→' : ''}</span> <a href={`/studies/${s.key}`}>{date(s.date) || 'no date'}</a> {s.description.slice(0, 50)} <small>{STATES[s.state]}{s.accession && ` · ${s.accession}`}</small>
      {s.warnings.map((w) => <small key={w} class="warn">⚠ {w}</small>)}
    </li>
  )
}
