/**
 * Certificate authorities and what they sign, made by openssl in a folder of their own, as an operator would: roots,
 * intermediates, clients with every kind of key, revocation lists.
 */
import { execFile } from "node:child_process"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"

export interface Issued {
  /** Of the files. */
  readonly certPath: string
  readonly keyPath: string
  readonly cert: string
  readonly key: string
}

export interface IssueOptions {
  readonly subject?: string
  /** Arguments of `openssl genpkey`. */
  readonly key?: string
  /** Lines of an extensions section. */
  readonly extensions?: string
  /** As `openssl ca` takes them: YYYYMMDDHHMMSSZ. */
  readonly start?: string
  readonly end?: string
}

export interface Authority extends Issued {
  readonly issue: (name: string, options?: IssueOptions) => Promise<Issued>
  readonly intermediate: (name: string, options?: IssueOptions) => Promise<Authority>
  readonly revoke: (certificate: Issued) => Promise<void>
  /** The list as of now, PEM. */
  readonly crl: (options?: { readonly last?: string; readonly next?: string }) => Promise<string>
}

const run = promisify(execFile)

export const openssl = async (...args: ReadonlyArray<string>): Promise<string> => {
  const running = run("openssl", args)
  running.child.stdin?.end()
  return (await running).stdout
}

export const ecKey = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"
export const rsaKey = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"
export const ed25519Key = "-algorithm ED25519"

export const caExtensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"
export const clientExtensions = "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth"

const issued = async (certPath: string, keyPath: string): Promise<Issued> => ({
  certPath,
  keyPath,
  cert: await readFile(certPath, "utf8"),
  key: await readFile(keyPath, "utf8")
})

const generate = async (folder: string, name: string, key: string): Promise<string> => {
  const path = join(folder, `${name}.key`)
  await openssl("genpkey", ...key.split(" "), "-out", path)
  return path
}

/** A self-signed certificate, of a root unless told otherwise. */
export const selfSigned = async (folder: string, name: string, options: IssueOptions = {}): Promise<Issued> => {
  const key = await generate(folder, name, options.key ?? ecKey)
  const cert = join(folder, `${name}.pem`)
  const config = join(folder, `${name}.self.cnf`)
  await writeFile(config, `[req]\ndistinguished_name=dn\n[dn]\n[ext]\n${options.extensions ?? caExtensions}\n`)
  const subject = options.subject ?? `/CN=${name}`
  const made = ["-x509", "-new", "-utf8", "-days", "30", "-config", config, "-extensions", "ext"]
  await openssl("req", ...made, "-key", key, "-subj", subject, "-out", cert)
  return issued(cert, key)
}

/** What `openssl ca` needs to know of an authority. */
const authority = async (folder: string, name: string, own: Issued): Promise<Authority> => {
  const home = join(folder, `${name}.ca`)
  await mkdir(home)
  await writeFile(join(home, "index"), "")
  await writeFile(join(home, "index.attr"), "unique_subject = no\n")
  await writeFile(join(home, "serial"), "1001\n")
  await writeFile(join(home, "crlnumber"), "01\n")
  const config = join(home, "ca.cnf")
  const settings = [
    "[ca]",
    "default_ca=own",
    "[own]",
    `database=${home}/index`,
    `new_certs_dir=${home}`,
    `serial=${home}/serial`,
    `crlnumber=${home}/crlnumber`,
    `certificate=${own.certPath}`,
    `private_key=${own.keyPath}`,
    "default_md=default",
    "default_days=30",
    "default_crl_days=30",
    "policy=any",
    "preserve=yes",
    "[any]",
    "commonName=optional",
    "organizationName=optional",
    "organizationalUnitName=optional"
  ]
  await writeFile(config, settings.join("\n"))

  const issue = async (client: string, options: IssueOptions = {}): Promise<Issued> => {
    const key = await generate(folder, client, options.key ?? ecKey)
    const request = join(folder, `${client}.csr`)
    const cert = join(folder, `${client}.pem`)
    const extensions = join(folder, `${client}.ext`)
    await writeFile(extensions, options.extensions ?? clientExtensions)
    await openssl("req", "-new", "-utf8", "-key", key, "-subj", options.subject ?? `/CN=${client}`, "-out", request)
    const dates = [
      ...(options.start === undefined ? [] : ["-startdate", options.start]),
      ...(options.end === undefined ? [] : ["-enddate", options.end])
    ]
    const from = [
      "-batch",
      "-utf8",
      "-notext",
      "-preserveDN",
      "-config",
      config,
      "-in",
      request,
      "-extfile",
      extensions
    ]
    await openssl("ca", ...from, "-out", cert, ...dates)
    return issued(cert, key)
  }

  return {
    ...own,
    issue,
    intermediate: async (child, options = {}) =>
      authority(folder, child, await issue(child, { extensions: caExtensions, ...options })),
    revoke: async ({ certPath }) => {
      await openssl("ca", "-config", config, "-revoke", certPath)
    },
    crl: async ({ last, next } = {}) => {
      const path = join(home, "crl.pem")
      const dates = [
        ...(last === undefined ? [] : ["-crl_lastupdate", last]),
        ...(next === undefined ? [] : ["-crl_nextupdate", next])
      ]
      await openssl("ca", "-config", config, "-gencrl", "-out", path, ...dates)
      return readFile(path, "utf8")
    }
  }
}

export const root = async (folder: string, name: string, options: IssueOptions = {}): Promise<Authority> =>
  authority(folder, name, await selfSigned(folder, name, options))

/** A date as openssl takes it, days from now. */
export const inDays = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().replaceAll(/[-:T]|\.\d+/gu, "")
