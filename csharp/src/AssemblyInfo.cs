using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Fastway.Tests")]
[assembly: InternalsVisibleTo("fastway-records")]
