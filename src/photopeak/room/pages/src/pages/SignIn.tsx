import { useState } from 'preact/hooks'
import { type Session, send } from '../api'

export function SignIn({ session, onDone }: { session: Session; onDone: () => void }) {
  const [fault, setFault] = useState('')
  const enter = (name: string, password: string) =>
    send('POST', '/api/session', { name, password }).then(onDone).catch((e: Error) => setFault(e.message))
  return (
    <main class="sign-in">
      <img src="/favicon.svg" alt="" width="56" height="56" />
      <h1>Photopeak</h1>
      <p>Reading room for nuclear medicine</p>
      {session.demo ? (
        <div class="people">
          <p>Demonstration: virtual patients, no passwords. Sign in as</p>
          {session.people?.map((p) => (
            <button key={p.name} onClick={() => void enter(p.name, '')}>
              <strong>{p.display}</strong> <span>{p.role}</span>
            </button>
          ))}
        </div>
      ) : (
        <form
          onSubmit={(e) => {
            e.preventDefault()
            const form = new FormData(e.currentTarget as HTMLFormElement)
            void enter(String(form.get('name')), String(form.get('password')))
          }}
        >
          <label>Name <input name="name" autocomplete="username" required autofocus /></label>
          <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
          <button class="primary">Sign in</button>
          {session.oidc && <a href="/api/oidc/begin" target="_self">Sign in with the hospital's account</a>}
        </form>
      )}
      {fault && <p class="fault" role="alert">{fault}</p>}
      <footer>{session.notice}</footer>
    </main>
  )
}
