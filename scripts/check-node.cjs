// Ends an installation that cannot run the daemon with a sentence that says so. Plain CommonJS: any old Node must be
// able to read it.
var parts = process.versions.node.split(".").map(Number)
if (parts[0] < 24 || (parts[0] === 24 && parts[1] < 7)) {
  console.error(
    "This project needs Node 24.7 or newer. npm brought none for this machine (" +
      process.platform +
      " " +
      process.arch +
      "), and the installed one is " +
      process.versions.node +
      "."
  )
  console.error("Install Node 26 from https://nodejs.org and run make again.")
  process.exit(1)
}
