using System;

// As much of the engine's surface as the samples use, so that they are compiled where there is no engine.
namespace UnityEngine
{
    /// <summary>See Unity.</summary>
    public class MonoBehaviour
    {
    }

    /// <summary>See Unity.</summary>
    [AttributeUsage(AttributeTargets.Field)]
    public sealed class SerializeFieldAttribute : Attribute
    {
    }

    /// <summary>See Unity.</summary>
    public enum NetworkReachability
    {
        /// <summary>See Unity.</summary>
        NotReachable
    }

    /// <summary>See Unity.</summary>
    public static class Application
    {
        /// <summary>See Unity.</summary>
        public static NetworkReachability internetReachability
        {
            get { return NetworkReachability.NotReachable; }
        }
    }

    /// <summary>See Unity.</summary>
    public static class Debug
    {
        /// <summary>See Unity.</summary>
        public static void Log(object message)
        {
        }

        /// <summary>See Unity.</summary>
        public static void LogWarning(object message)
        {
        }

        /// <summary>See Unity.</summary>
        public static void LogError(object message)
        {
        }
    }
}
